import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ContentStore, collect } from '../oci/index.ts'
import {
  createRegistry,
  type RegistryIndex,
  type StoredManifest,
  type TagRule,
  tagRuleOf,
} from '../registry/index.ts'
import { realSys } from '../sys/index.ts'
import { memoryRegistryIndex } from './memory-registry-index.ts'

/** An answer that {@link TestRegistry.call} takes into memory. */
const answerBytesMax = 50_000_000

export interface RegistryAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The first error's code. */
  readonly code: string | undefined
  /** What it says to do. */
  readonly hint: string | undefined
}

export interface TestRegistry {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly index: RegistryIndex
  /** What `onManifest` was called with. */
  readonly stored: StoredManifest[]
  /** What `onError` was called with. */
  readonly errors: unknown[]
  /** Method and path of each request. */
  readonly requests: string[]
  /** Comes before the registry; true: it has taken the request over. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Milliseconds that the registry's clock is ahead. */
  aheadMs: number
  /** Sends one request as `writer`, unless `headers` say otherwise. */
  call(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<RegistryAnswer>
  close(): Promise<void>
}

/** Basic credentials that {@link testRegistry} knows: `reader` may pull everything but `secret`, `writer` may do all. */
export function basic(user: 'reader' | 'writer'): string {
  return `Basic ${Buffer.from(`${user}:${user}-password`).toString('base64')}`
}

/** Our registry on a free port of the loopback, in memory but for its blobs. */
export async function testRegistry(
  store: ContentStore,
  tagRule: TagRule = tagRuleOf([]),
): Promise<TestRegistry> {
  const index = memoryRegistryIndex()
  const stored: StoredManifest[] = []
  const errors: unknown[] = []
  const requests: string[] = []
  const handler = createRegistry({
    store,
    index,
    clock: { ...realSys.clock, now: () => realSys.clock.now() + registry.aheadMs },
    authorize: async ({ headers }) => {
      const user = (['reader', 'writer'] as const).find((name) => headers.authorization === basic(name))
      if (user === undefined) return undefined
      const may = (action: 'pull' | 'push', repository: string) =>
        user === 'writer' || (action === 'pull' && repository !== 'secret')
      return { actor: user, may }
    },
    onManifest: async (manifest) => {
      stored.push(manifest)
    },
    onError: (error) => errors.push(error),
    tagRule,
  })
  const listener = await realSys.net.listen({ host: '127.0.0.1', port: 0 }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (!registry.intercept(request, response)) handler(request, response)
  })
  const registry: TestRegistry = {
    url: `http://127.0.0.1:${listener.port}`,
    index,
    stored,
    errors,
    requests,
    intercept: () => false,
    aheadMs: 0,
    async call(method, path, body, headers = {}) {
      const response = await realSys.net.request({
        method,
        url: `${registry.url}${path}`,
        headers: { authorization: basic('writer'), ...headers },
        ...(body !== undefined && { body }),
      })
      const text = Buffer.from(await collect(response.body, answerBytesMax)).toString()
      const error = response.status >= 400 && text !== '' ? JSON.parse(text).errors[0] : undefined
      const { status, headers: fields } = response
      return { status, headers: fields, text, code: error?.code, hint: error?.detail.hint }
    },
    close: () => listener.close(0),
  }
  return registry
}
