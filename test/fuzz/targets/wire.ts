import {
  ApiError,
  assignmentQuerySchema,
  createClient,
  enrolRequestSchema,
  fleetSchema,
  logQuerySchema,
  nodeLabelsSchema,
  removeQuerySchema,
  resourceSchema,
  rolloutRequestSchema,
  statusRequestSchema,
  tokenRequestSchema,
  watchQuerySchema,
} from '../../../src/api/index.ts'
import { canonicalJson } from '../../../src/core/index.ts'
import { ServerError, toHttp } from '../../../src/server/errors.ts'
import { parseAs } from '../../../src/server/parts.ts'
import type { Net } from '../../../src/sys/index.ts'
import { BrokenPromise, type FuzzTarget, promise, textOf } from '../target.ts'
import { digest } from './core.ts'
import { assignmentEnvelope, publicPem } from './proof.ts'

const order = { epoch: 1, number: 7 }
const reason = {
  code: 'health-check-failed',
  message: 'web: no',
  check: 'web',
  exitCode: 1,
  lastLines: ['a'],
}
export const status = {
  ...{ agentVersion: '0.1.0', bootId: 'x', floor: 0, warnings: [reason] },
  running: { slot: 'a', release: digest, root: digest, measuredBy: 'launcher', confirmed: true },
  slots: { a: { is: 'good', release: digest }, b: { is: 'bad', release: digest, why: reason } },
  working: { order, phase: 'trial', bytesDone: 1, bytesTotal: 2 },
  outcome: { order, release: digest, is: 'went-back', reason },
}
const metadata = { name: 'plants-eu', labels: { site: 'eu' }, version: 3, createdAt: 1, updatedAt: 2 }
const head = (kind: string) => ({ apiVersion: 'ashlar/v1', kind, metadata })
export const fleet = {
  ...head('Fleet'),
  spec: {
    nodes: { matchLabels: { site: 'eu' } },
    image: 'gateway',
    rollout: { waves: [{ count: 1 }], deadline: '15m' },
  },
  status: { release: digest },
}
const node = {
  ...head('Node'),
  spec: { publicKey: publicPem },
  status: {
    lastSeenAt: 1,
    reportedAt: 1,
    observed: status,
    assigned: { order, release: digest, repository: 'gateway' },
  },
}
const rollout = {
  ...head('Rollout'),
  spec: { fleet: 'plants-eu', release: digest, repository: 'gateway', intent: 'update' },
  status: {
    phase: 'halted',
    wave: 0,
    waves: 2,
    nodes: { n: { wave: 0, state: 'failed', order, reason } },
    reason,
  },
}
const releaseSpec = {
  digest,
  repository: 'gateway',
  image: 'gateway',
  version: '1.0.0',
  counter: 1,
  floor: 0,
}

const bodies = {
  status: { schema: statusRequestSchema, seeds: [status] },
  token: {
    schema: tokenRequestSchema,
    seeds: [
      { is: 'enrolment', node: 'n', labels: {} },
      { is: 'operator', name: 'ops' },
    ],
  },
  enrol: { schema: enrolRequestSchema, seeds: [{ publicKey: publicPem }] },
  fleet: { schema: fleetSchema, seeds: [fleet] },
  labels: { schema: nodeLabelsSchema, seeds: [node] },
  rollout: { schema: rolloutRequestSchema, seeds: [{ fleet: 'plants-eu', release: digest }] },
  resource: {
    schema: resourceSchema,
    seeds: [node, fleet, rollout, { ...head('Release'), spec: releaseSpec }],
  },
} as const

const requestTargets = Object.entries(bodies).map(
  ([name, { schema, seeds }]): FuzzTarget => ({
    ...{
      name: `request-${name}`,
      form: 'json',
      seeds: seeds.map((seed) => JSON.stringify(seed)),
      refuses: [ServerError],
    },
    words: ['Node', 'Fleet', 'enrolment', digest],
    read(bytes) {
      const read = parseAs<unknown>(schema, jsonOf(bytes))
      // Of a node only its labels are taken.
      const value = name === 'labels' ? nodeLabelsSchema.parse(read).metadata : read
      // The server compares what it stored by its canonical form.
      canonicalJson(value)
      const again: unknown =
        name === 'labels' ? value : parseAs<unknown>(schema, JSON.parse(JSON.stringify(value)))
      promise(JSON.stringify(again) === JSON.stringify(value), 'what was stored is read as something else')
      promise(
        Object.getPrototypeOf(value) === Object.prototype && !('polluted' in {}),
        'a prototype was changed',
      )
    },
  }),
)

/** As the framework hands over a body: what is no JSON never reaches a schema. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes))
  } catch (cause) {
    throw new ServerError('request-invalid', 'no JSON', { cause })
  }
}

const queries = [assignmentQuerySchema, watchQuerySchema, removeQuerySchema, logQuerySchema]

/** A client of a server that answers everything with the same bytes. */
function clientOf(body: Uint8Array, status: number) {
  const net = {
    request: async () => ({ status, headers: {}, body: chunks(body) }),
    ...{ peerCertificates: unused, connect: unused, listen: unused },
  } satisfies Net
  return createClient({ net, url: 'http://localhost', credential: () => 'Bearer x' })
}

async function* chunks(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}

function unused(): never {
  throw new BrokenPromise('only requests are made')
}

export const wireTargets: readonly FuzzTarget[] = [
  ...requestTargets,
  {
    name: 'request-query',
    form: 'text',
    seeds: ['epoch=1&number=2&waitSeconds=3', 'after=1&limit=5', 'version=7'],
    words: ['&', '=', 'epoch', '1e3', ' 1', '0x1', 'NaN', '%00', '[]'],
    refuses: [ServerError],
    read(bytes) {
      const query = Object.fromEntries(new URLSearchParams(textOf(bytes)))
      const found = queries.filter((schema) => schema.safeParse(query).success)
      for (const schema of found)
        for (const value of Object.values(schema.parse(query)))
          promise(
            value === undefined || (typeof value === 'number' && value >= 0 && Number.isFinite(value)),
            'no number',
          )
      if (found.length === 0) parseAs(assignmentQuerySchema, query)
    },
  },
  {
    name: 'answers',
    form: 'json',
    seeds: [
      ...[node, rollout].map((item) => JSON.stringify(item)),
      JSON.stringify({ items: [node] }),
      JSON.stringify({ node, rollout, assignment: { order, envelope: assignmentEnvelope } }),
      JSON.stringify({ order, envelope: assignmentEnvelope }),
      JSON.stringify({ items: [{ sequence: 1, at: 1, actor: 'a', action: 'b', subject: 'c', detail: {} }] }),
    ],
    refuses: [ApiError],
    async read(bytes) {
      const client = clientOf(bytes, 200)
      const asked = [
        client.get('Node', 'n'),
        client.list('Node'),
        client.why('n'),
        client.log(),
        client.get('Rollout', 'r'),
      ]
      const [first, ...others] = await Promise.allSettled([...asked, client.nextAssignment(order, 1)])
      for (const one of [first, ...others])
        if (one?.status === 'rejected' && !(one.reason instanceof ApiError)) throw one.reason
      if (first?.status === 'rejected' && others.every((one) => one.status === 'rejected')) throw first.reason
    },
  },
  {
    name: 'problem',
    form: 'json',
    seeds: [canonicalJson({ error: { code: 'conflict', message: 'm', hint: 'h', where: 'w' } })],
    refuses: [ApiError],
    async read(bytes) {
      const error: unknown = await clientOf(bytes, 409)
        .get('Node', 'n')
        .catch((thrown: unknown) => thrown)
      promise(error instanceof ApiError, `no error of the client: ${String(error)}`)
      toHttp(error)
    },
  },
]
