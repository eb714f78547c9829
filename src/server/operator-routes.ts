import type { FastifyInstance } from 'fastify'
import {
  logQuerySchema,
  namedSchema,
  rolloutRequestSchema,
  type TokenAnswer,
  type TokenClaim,
  tokenRequestSchema,
  type WhyAnswer,
} from '../api/index.ts'
import { mintToken } from '../identity/index.ts'
import { actorOf, allow, existing, type Parts, parseAs } from './parts.ts'
import { shown } from './resource-routes.ts'

/** What people do beside resources: rollouts, tokens, the log, and the question why. */
export function addOperatorRoutes(app: FastifyInstance, parts: Parts): void {
  const { store, director } = parts
  app.post('/v1/rollouts', allow('operator'), async (request, reply) => {
    const body = parseAs(rolloutRequestSchema, request.body)
    return reply.code(201).send(await director.start(body, actorOf(request)))
  })
  app.post('/v1/rollouts/:name/halt', allow('operator'), async (request) => {
    const { name } = parseAs(namedSchema, request.params)
    await director.halt(name, actorOf(request))
    return existing(parts, 'Rollout', name)
  })
  app.post('/v1/tokens', allow('operator'), async (request, reply) =>
    reply.code(201).send(await createToken(parts, request.body, actorOf(request))),
  )
  app.get('/v1/log', allow('operator'), async (request) => {
    const { after, limit } = parseAs(logQuerySchema, request.query)
    return { items: await store.log(after, limit) }
  })
  app.get('/v1/nodes/:name/why', allow('operator'), async (request): Promise<WhyAnswer> => {
    const { name } = parseAs(namedSchema, request.params)
    const node = shown(parts, await existing(parts, 'Node', name)) as WhyAnswer['node']
    const { assigned } = node.status
    const rollout = assigned?.rollout && (await store.get('Rollout', assigned.rollout))
    const assignment = assigned && (await store.lastAssignment(name))
    return { node, ...(rollout && { rollout }), ...(assignment && { assignment }) }
  })
}

async function createToken({ sys, store }: Parts, body: unknown, actor: string): Promise<TokenAnswer> {
  const request = parseAs(tokenRequestSchema, body)
  const expiresAt = sys.clock.now() + request.ttlSeconds * 1_000
  const claim: TokenClaim =
    request.is === 'operator'
      ? { is: 'operator', name: request.name }
      : { is: 'enrolment', node: request.node, labels: request.labels }
  const { token, hash } = mintToken(sys.random, request.is)
  await store.addToken({ hash, expiresAt, claim }, actor)
  return { token, expiresAt }
}
