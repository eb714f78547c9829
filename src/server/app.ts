import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import {
  apiVersionField,
  apiVersions,
  olderOf,
  parseApiVersions,
  printApiVersions,
  tooOld,
} from '../api/index.ts'
import { ServerError, toHttp } from './errors.ts'
import { bodyBytesMax } from './limits.ts'
import { addNodeRoutes } from './node-routes.ts'
import { addOperatorRoutes } from './operator-routes.ts'
import type { Parts } from './parts.ts'
import { type AuthenticationParts, authenticate, type Role } from './principal.ts'
import { addResourceRoutes } from './resource-routes.ts'

export interface AppParts extends Parts {
  readonly authentication: AuthenticationParts
  /** Is told of errors that are ours; the client learns nothing of them. */
  readonly onError: (error: unknown) => void
}

/**
 * The API below `/v1` and `/healthz`. Every request is authenticated before anything else, one
 * to an unknown address too; only an address that cannot be decoded is refused before that.
 */
export function createApp(parts: AppParts): FastifyInstance {
  const answer = (error: unknown, reply: FastifyReply) => {
    const { status, problem } = toHttp(error)
    if (status >= 500) parts.onError(error)
    if (status === 401) reply.header('www-authenticate', 'Bearer realm="ashlar"')
    return reply.code(status).send(problem)
  }
  // An address that cannot be decoded leads to no route, and so past every hook.
  const frameworkErrors = (error: unknown, _: unknown, reply: FastifyReply) => answer(error, reply)
  const app = fastify({ logger: false, bodyLimit: bodyBytesMax, frameworkErrors })
  app.decorateRequest('principal', undefined)
  app.addHook('onRequest', async (request, reply) => {
    reply.header(apiVersionField, printApiVersions(apiVersions))
    const { allow } = request.routeOptions.config
    if (allow === 'anyone') return
    const older = olderOf(parseApiVersions(String(request.headers[apiVersionField])), apiVersions)
    if (older !== undefined) throw new ServerError(older, tooOld[older].message, { hint: tooOld[older].hint })
    const principal = await authenticate(parts.authentication, request.raw)
    request.principal = principal
    if (principal.is === 'node') {
      parts.lastSeen.set(principal.name, parts.sys.clock.now())
      parts.refused.delete(principal.name)
    }
    if (!request.is404 && !allow?.includes(principal.is))
      throw new ServerError('not-allowed', `${principal.actor} may not do this`, {
        hint: allow?.map((role) => wayToBe[role]).join('; '),
      })
  })
  // Node keeps a connection open after its answer, also while it closes the server.
  app.addHook('onSend', async (_request, reply) => {
    if (parts.closing.aborted) reply.header('connection', 'close')
  })
  app.setNotFoundHandler((request) => {
    throw new ServerError('route-unknown', `there is no ${request.method} ${request.url.split('?')[0]}`)
  })
  app.setErrorHandler((error, _, reply) => answer(error, reply))
  addRoutes(app, parts)
  return app
}

/** What to come with to be let in as one of these. */
const wayToBe: Readonly<Record<Role, string>> = {
  operator: 'come with the token of a person: ashlar token operator NAME',
  node: 'only a node may, with the key that it enrolled with',
  enrolment: 'come with the token that makes a machine a node: ashlar token enrol NODE',
}

export function addRoutes(app: FastifyInstance, parts: Parts): void {
  app.get('/healthz', { config: { allow: 'anyone' } }, async () => ({ status: 'ok' }))
  addResourceRoutes(app, parts)
  addOperatorRoutes(app, parts)
  addNodeRoutes(app, parts)
}
