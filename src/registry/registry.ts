import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveBlob } from './blobs.ts'
import { isOwnFault, RegistryError, toHttp } from './errors.ts'
import { answer, drain, type Exchange, type RegistryParts } from './exchange.ts'
import { listReferrers, listTags } from './listings.ts'
import { serveManifest } from './manifests.ts'
import { parseRoute, type Route } from './routes.ts'
import { beginUpload, continueUpload, type Uploads } from './uploads.ts'

/**
 * Serves all that lies under `/v2/`: OCI distribution-spec 1.1. Every request wants a credential. A blob is stored when
 * its digest was compared, a manifest when it is valid and all that it names is in the repository.
 */
export function createRegistry(
  parts: RegistryParts,
): (request: IncomingMessage, response: ServerResponse) => void {
  const uploads: Uploads = new Map()
  return (request, response) => {
    serve(parts, uploads, request, response).catch((error: unknown) => {
      if (isOwnFault(error)) parts.onError(error)
      // An answer that has begun cannot be taken back: the client must see that it is cut.
      if (response.headersSent) response.destroy()
      else {
        sendError(response, error)
        if (!request.readableEnded) drain(request)
      }
    })
  }
}

async function serve(
  parts: RegistryParts,
  uploads: Uploads,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const principal = await parts.authorize(request)
  if (principal === undefined)
    throw new RegistryError('not-authenticated', 'this registry wants a credential', {
      headers: { 'www-authenticate': 'Basic realm="ashlar"' },
    })
  const { route, query } = parseRoute(request.url)
  await dispatch({ parts, principal, request, response, query }, uploads, route)
}

async function dispatch(exchange: Exchange, uploads: Uploads, route: Route): Promise<void> {
  switch (route.is) {
    case 'base':
      return answer(
        exchange,
        200,
        { 'content-type': 'application/json', 'docker-distribution-api-version': 'registry/2.0' },
        '{}',
      )
    case 'blob':
      return serveBlob(exchange, route.repository, route.of)
    case 'uploads':
      return beginUpload(exchange, uploads, route.repository)
    case 'upload':
      return continueUpload(exchange, uploads, route.repository, route.of)
    case 'manifest':
      return serveManifest(exchange, route.repository, route.of)
    case 'tags':
      return listTags(exchange, route.repository)
    case 'referrers':
      return listReferrers(exchange, route.repository, route.of)
  }
}

function sendError(response: ServerResponse, error: unknown): void {
  const { status, headers, body } = toHttp(error)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
