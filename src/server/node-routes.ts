import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  type AssignmentAnswer,
  assignmentQuerySchema,
  type EnrolAnswer,
  enrolRequestSchema,
  type Node,
  type NodeStatus,
  type Order,
  statusRequestSchema,
} from '../api/index.ts'
import { AshlarError, canonicalJson, isHigher } from '../core/index.ts'
import { publicKeyDigest } from '../identity/index.ts'
import { abandoned, allow, existing, type Parts, parseAs, parseFactsAs, retried, waitMsOf } from './parts.ts'
import type { Principal } from './principal.ts'

/** What machines do: become a node, ask for orders, report. */
export function addNodeRoutes(app: FastifyInstance, parts: Parts): void {
  app.post('/v1/enrol', allow('enrolment'), async (request, reply) => {
    const { publicKey } = parseAs(enrolRequestSchema, request.body)
    return reply.code(201).send(await enrol(parts, principalAs(request, 'enrolment'), publicKey))
  })
  app.get('/v1/agent/assignment', allow('node'), async (request, reply) => {
    const { name } = principalAs(request, 'node')
    const { waitSeconds, ...order } = parseAs(assignmentQuerySchema, request.query)
    const found = await parts.changes.next(
      { kind: 'Node', name },
      () => newerAssignment(parts, name, order),
      waitMsOf(waitSeconds),
      abandoned(parts, reply),
    )
    return found ?? reply.code(204).send()
  })
  app.put('/v1/agent/status', allow('node'), async (request, reply) => {
    const { name, actor } = principalAs(request, 'node')
    await report(parts, name, actor, parseFactsAs(statusRequestSchema, request.body))
    return reply.code(204).send()
  })
}

function principalAs<Role extends Principal['is']>(request: FastifyRequest, role: Role) {
  const { principal } = request
  if (principal?.is === role) return principal as Extract<Principal, { is: Role }>
  throw new Error(`a route for ${role} was reached by another`)
}

/**
 * The token is spent in the transaction that makes the node. A second token for a node that is there gives it a new key.
 * Who asks again with the same token and key has lost the answer: it is given again, and nothing is written.
 */
async function enrol(
  { store }: Parts,
  { claim, hash, actor }: Extract<Principal, { is: 'enrolment' }>,
  publicKey: string,
): Promise<EnrolAnswer> {
  const name = claim.node
  const key = publicKeyDigest(publicKey)
  const enrolled = retried(async () => {
    const current = await store.get('Node', name)
    const put: Node = {
      apiVersion: 'ashlar/v1',
      kind: 'Node',
      metadata: { ...current?.metadata, name, labels: claim.labels },
      spec: { publicKey },
      status: {},
    }
    const action = current === undefined ? 'node.enrol' : 'node.enrol-again'
    const detail = { labels: claim.labels, key }
    await store.commit({ changes: [{ put, actor, action, detail }] }, { hash })
  })
  await enrolled.catch(async (error: unknown) => {
    const lost = error instanceof AshlarError && error.code === 'token-spent'
    const node = lost ? await store.get('Node', name) : undefined
    if (node === undefined || publicKeyDigest(node.spec.publicKey) !== key) throw error
  })
  return { node: name, epoch: store.epoch }
}

/** The node's order, if it is newer than the one that the node names. */
async function newerAssignment(
  { store }: Parts,
  name: string,
  order: Order,
): Promise<AssignmentAnswer | undefined> {
  const [node, last] = await Promise.all([store.get('Node', name), store.lastAssignment(name)])
  // An order from before the node was enrolled again is for a key that it no longer has.
  const assigned = node?.status.assigned?.order
  if (last === undefined || assigned === undefined || !isSame(last.order, assigned)) return undefined
  return isHigher(last.order, order) ? last : undefined
}

async function report(parts: Parts, name: string, actor: string, observed: NodeStatus): Promise<void> {
  await retried(async () => {
    const node = await existing(parts, 'Node', name)
    if (node.status.observed !== undefined && canonicalJson(node.status.observed) === canonicalJson(observed))
      return
    const reportedAt = parts.sys.clock.now()
    const put: Node = { ...node, status: { ...node.status, observed, reportedAt } }
    const { running, working, outcome } = observed
    const detail = { running: running.release, phase: working?.phase, outcome: outcome?.is }
    await parts.store.commit({ changes: [{ put, actor, action: 'node.report', detail }] })
  })
}

function isSame(a: Order, b: Order): boolean {
  return a.epoch === b.epoch && a.number === b.number
}
