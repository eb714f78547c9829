import fastify, { type FastifyInstance } from 'fastify'
import { ServerError, toHttp } from './errors.ts'
import { bodyBytesMax } from './limits.ts'
import { addNodeRoutes } from './node-routes.ts'
import { addOperatorRoutes } from './operator-routes.ts'
import type { Parts } from './parts.ts'
import { type AuthenticationParts, authenticate } from './principal.ts'
import { addResourceRoutes } from './resource-routes.ts'

export interface AppParts extends Parts {
  readonly authentication: AuthenticationParts
  /** Is told of errors that are ours; the client learns nothing of them. */
  readonly onError: (error: unknown) => void
}

/** The API below `/v1` and `/healthz`. Every request is authenticated before anything else, one to an unknown address too. */
export function createApp(parts: AppParts): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: bodyBytesMax })
  app.decorateRequest('principal', undefined)
  app.addHook('onRequest', async (request) => {
    const { allow } = request.routeOptions.config
    if (allow === 'anyone') return
    const principal = await authenticate(parts.authentication, request.raw)
    request.principal = principal
    if (principal.is === 'node') parts.lastSeen.set(principal.name, parts.sys.clock.now())
    if (!request.is404 && !allow?.includes(principal.is))
      throw new ServerError('not-allowed', `${principal.actor} may not do this`, {
        hint: 'this needs a token of another kind: ashlar token create',
      })
  })
  // Node keeps a connection open after its answer, also while it closes the server.
  app.addHook('onSend', async (_request, reply) => {
    if (parts.closing.aborted) reply.header('connection', 'close')
  })
  app.setNotFoundHandler((request) => {
    throw new ServerError('route-unknown', `there is no ${request.method} ${request.url.split('?')[0]}`)
  })
  app.setErrorHandler((error, _request, reply) => {
    const { status, problem } = toHttp(error)
    if (status >= 500) parts.onError(error)
    if (status === 401) reply.header('www-authenticate', 'Bearer realm="ashlar"')
    return reply.code(status).send(problem)
  })
  addRoutes(app, parts)
  return app
}

export function addRoutes(app: FastifyInstance, parts: Parts): void {
  app.get('/healthz', { config: { allow: 'anyone' } }, async () => ({ status: 'ok' }))
  addResourceRoutes(app, parts)
  addOperatorRoutes(app, parts)
  addNodeRoutes(app, parts)
}
