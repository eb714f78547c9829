import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  type Fleet,
  fleetSchema,
  type Kind,
  kindPaths,
  type Node,
  namedSchema,
  nodeLabelsSchema,
  type Resource,
  removeQuerySchema,
  watchQuerySchema,
} from '../api/index.ts'
import { canonicalJson } from '../core/index.ts'
import { ServerError } from './errors.ts'
import { fleetNameLengthMax } from './limits.ts'
import { abandoned, actorOf, allow, existing, type Parts, parseAs, retried, waitMsOf } from './parts.ts'
import { remove } from './removal.ts'

/** Resources by kind: list, read, watch, write, remove. */
export function addResourceRoutes(app: FastifyInstance, parts: Parts): void {
  for (const [kind, path] of Object.entries(kindPaths) as [Kind, string][]) {
    app.get(`/v1/${path}`, allow('operator'), async () => ({
      items: (await parts.store.list(kind)).map((resource) => shown(parts, resource)),
    }))
    app.get(`/v1/${path}/:name`, allow('operator'), async (request, reply) => {
      const { name } = parseAs(namedSchema, request.params)
      const { after, waitSeconds } = parseAs(watchQuerySchema, request.query)
      const resource = await parts.changes.next(
        { kind, name },
        async () => newer(await existing(parts, kind, name), after),
        waitMsOf(waitSeconds),
        abandoned(parts, reply),
      )
      return resource === undefined ? reply.code(204).send() : shown(parts, resource)
    })
    app.delete(`/v1/${path}/:name`, allow('operator'), async (request, reply) => {
      const { name } = parseAs(namedSchema, request.params)
      const { version } = parseAs(removeQuerySchema, request.query)
      await remove(parts.store, { kind, name, version, actor: actorOf(request) })
      return reply.code(204).send()
    })
  }
  app.put('/v1/fleets/:name', allow('operator'), async (request, reply) => {
    const { resource, created } = await applyFleet(parts, request)
    return reply.code(created ? 201 : 200).send(resource)
  })
  app.put('/v1/nodes/:name', allow('operator'), async (request) =>
    shown(parts, await applyLabels(parts, request)),
  )
}

/** As a client sees it: with when a node last asked, and why it was refused since, which no write records. */
export function shown(parts: Pick<Parts, 'lastSeen' | 'refused'>, resource: Resource): Resource {
  if (resource.kind !== 'Node') return resource
  const { name } = resource.metadata
  const lastSeenAt = parts.lastSeen.get(name) ?? resource.status.reportedAt
  const refused = parts.refused.get(name)
  const seen = { ...(lastSeenAt !== undefined && { lastSeenAt }), ...(refused !== undefined && { refused }) }
  return { ...resource, status: { ...resource.status, ...seen } }
}

async function applyFleet(
  parts: Parts,
  request: FastifyRequest,
): Promise<{ readonly resource: Resource; readonly created: boolean }> {
  const body = parseAs(fleetSchema, request.body)
  const { name, version } = checkName(request, body.metadata)
  if (name.length > fleetNameLengthMax)
    throw new ServerError('request-invalid', `a fleet's name has at most ${fleetNameLengthMax} characters`)
  return retriedUnlessNamed(version, async () => {
    const current = await parts.store.get('Fleet', name)
    const metadata = { ...current?.metadata, ...metadataAfter(current, body.metadata, version) }
    const put: Fleet = { ...body, metadata, status: current?.status ?? {} }
    const resource = await write(parts, current, put, request, 'fleet.apply')
    return { resource, created: current === undefined }
  })
}

async function applyLabels(parts: Parts, request: FastifyRequest): Promise<Resource> {
  const body = parseAs(nodeLabelsSchema, request.body)
  const { name, version } = checkName(request, body.metadata)
  return retriedUnlessNamed(version, async () => {
    const current = await existing(parts, 'Node', name)
    const metadata = { ...current.metadata, ...metadataAfter(current, body.metadata, version) }
    const put: Node = { ...current, metadata }
    return write(parts, current, put, request, 'node.label')
  })
}

/** Labels from the client; the version that the client names, or else the one that is there. */
function metadataAfter(
  current: Resource | undefined,
  { name, labels }: Fleet['metadata'],
  named: number | undefined,
): Fleet['metadata'] {
  const version = named ?? current?.metadata.version
  return { name, labels, ...(version !== undefined && { version }) }
}

/** Who named a version is told of a conflict; who named none means: whatever is there. */
function retriedUnlessNamed<Result>(version: number | undefined, attempt: () => Promise<Result>) {
  return version === undefined ? retried(attempt) : attempt()
}

async function write(
  parts: Parts,
  current: Resource | undefined,
  put: Resource,
  request: FastifyRequest,
  action: string,
): Promise<Resource> {
  // Applying what is there already is no change.
  if (current !== undefined && canonicalJson(current) === canonicalJson(put)) return current
  const detail = { labels: put.metadata.labels, ...(put.kind === 'Fleet' && { spec: put.spec }) }
  const [stored] = await parts.store.commit({ changes: [{ put, actor: actorOf(request), action, detail }] })
  return stored ?? put
}

function checkName(
  request: FastifyRequest,
  metadata: Fleet['metadata'],
): { readonly name: string; readonly version: number | undefined } {
  const { name } = parseAs(namedSchema, request.params)
  if (name !== metadata.name)
    throw new ServerError(
      'request-invalid',
      `metadata.name is ${metadata.name}, and the address says ${name}`,
    )
  return { name, version: metadata.version }
}

function newer<R extends Resource>(resource: R, after: number | undefined): R | undefined {
  return after === undefined || (resource.metadata.version ?? 0) > after ? resource : undefined
}
