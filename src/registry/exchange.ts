import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Digest, isDigest } from '../core/index.ts'
import type { ContentStore } from '../oci/index.ts'
import type { Clock } from '../sys/index.ts'
import { RegistryError } from './errors.ts'
import { drainedBytesMax } from './limits.ts'
import type { RegistryIndex } from './ports.ts'
import type { TagRule } from './tag-rule.ts'

/** Who asks, and what that one may do. */
export interface Principal {
  readonly actor: string
  may(action: 'pull' | 'push', repository: string): boolean
}

export interface StoredManifest {
  readonly repository: string
  readonly digest: Digest
  readonly mediaType: string
  readonly actor: string
  /** The tag that it was pushed under, if any. */
  readonly tag: string | undefined
}

export interface RegistryParts {
  readonly store: ContentStore
  readonly index: RegistryIndex
  readonly clock: Clock
  /** Who sent the request; undefined: nobody whom we know. */
  authorize(request: IncomingMessage): Promise<Principal | undefined>
  /**
   * Called after a manifest was stored and before the client is told; again when the same one is pushed again. When it
   * fails, so does the push, and a client that repeats it has it called again.
   */
  onManifest(stored: StoredManifest): Promise<void>
  readonly tagRule: TagRule
  /** Is told of errors that are the registry's own; the client learns only that there was one. */
  readonly onError: (error: unknown) => void
}

/** One request and its answer. */
export interface Exchange {
  readonly parts: RegistryParts
  readonly principal: Principal
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
}

/** @throws RegistryError `not-allowed` */
export function requireRight(exchange: Exchange, action: 'pull' | 'push', repository: string): void {
  const { principal } = exchange
  if (principal.may(action, repository)) return
  throw new RegistryError('not-allowed', `${principal.actor} may not ${action} ${repository}`)
}

/** @throws RegistryError `digest-invalid` */
export function digestParameter(text: string | null): Digest {
  if (text !== null && isDigest(text)) return text
  throw new RegistryError('digest-invalid', `not a sha256 digest: ${JSON.stringify(text)}`)
}

/**
 * The body of a request. Whoever stops reading does not close the connection by that, as reading the request itself
 * would: a client that is still sending must hear why it was refused.
 */
export function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false })
}

/** Takes what a refused client still sends off the line, so that it comes to read the answer; not without end. */
export function drain(request: IncomingMessage): void {
  let left = drainedBytesMax
  request.on('data', (chunk: Uint8Array) => {
    left -= chunk.length
    if (left < 0) request.destroy()
  })
}

export function answer(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string | number | readonly string[]>> = {},
  body?: Uint8Array | string,
): void {
  const { request, response } = exchange
  const length = body === undefined ? { 'content-length': 0 } : { 'content-length': Buffer.byteLength(body) }
  response.writeHead(status, { ...length, ...(headers as Record<string, string | number | string[]>) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

export function answerJson(
  exchange: Exchange,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  answer(exchange, 200, { 'content-type': 'application/json', ...headers }, JSON.stringify(value))
}

/** Sends a stream whose length stands in `headers`; when it fails in the middle, the connection is cut. */
export async function answerStream(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  exchange.response.writeHead(status, headers)
  await pipeline(Readable.from(content), exchange.response)
}
