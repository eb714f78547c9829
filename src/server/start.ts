import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { credentialAudience } from '../api/index.ts'
import { type Digest, isLoopback } from '../core/index.ts'
import { Director, watchRollouts } from '../fleet/index.ts'
import { createReplayMemory, mintToken } from '../identity/index.ts'
import { type ContentStore, openContentStore } from '../oci/index.ts'
import {
  createRegistry,
  type Principal as RegistryPrincipal,
  type TagRule,
  tagRuleOf,
} from '../registry/index.ts'
import { type PrivateKey, signEnvelope } from '../sign/index.ts'
import { openStore, type Store } from '../store/index.ts'
import type { Sys } from '../sys/index.ts'
import { createApp } from './app.ts'
import { watchChanges } from './changes.ts'
import { CredentialRefused, ServerError } from './errors.ts'
import { closeGraceMs, earliestMs } from './limits.ts'
import type { Parts } from './parts.ts'
import { type AuthenticationParts, authenticate } from './principal.ts'
import { releaseRegistrar } from './releases.ts'
import { openTls, type Tls } from './tls.ts'

export interface ServerOptions {
  readonly sys: Sys
  /** Holds the database and the keys; `store/` in it the blobs. */
  readonly dataFolder: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Names and addresses by which clients reach this server, beside the one that it listens on; the first is in its URL. */
  readonly advertise?: readonly string[]
  readonly directorKey: PrivateKey
  /** Repositories whose tags may be moved and removed: a name, all below a name (`try/*`), or `*`. Default: none. */
  readonly mutableTags?: readonly string[]
  /** Makes another admin token, for who has lost the first one. */
  readonly newAdminToken?: boolean
  /** Is told of errors that are the server's own. */
  readonly onError: (error: unknown) => void
}

export interface RunningServer {
  readonly url: string
  /** PEM and fingerprint of the server's authority; absent on loopback, where it speaks plain HTTP. */
  readonly authority?: { readonly pem: string; readonly fingerprint: Digest }
  /** An admin token, where one was made at this start. It is nowhere else. Secret. */
  readonly adminToken?: string
  /** Resolves when no rollout has anything to do until the next event. */
  idle(): Promise<void>
  /** Ends requests that wait, gives others a moment, and closes the database. */
  close(): Promise<void>
}

/**
 * One process: API, registry, director. It serves when the promise resolves.
 * @throws StoreError, RegistryError `name-invalid`, ServerError `address-not-advertised`, SysError `address-in-use`, `address-unavailable`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { sys, dataFolder, listen, mutableTags = [] } = options
  const tagRule = tagRuleOf(mutableTags)
  requireLikelyTime(sys.clock.now())
  await sys.disk.mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const hosts = hostsOf(options)
  // First, for it is this process's alone: no other server makes keys, or clears what a killed one left of them.
  const store = openStore(join(dataFolder, 'ashlar.db'), sys.clock)
  try {
    await sys.disk.removeUnfinished(dataFolder)
    const tls = isLoopback(listen.host) ? undefined : await openTls(sys, dataFolder, hosts)
    const content = await openContentStore(sys, join(dataFolder, 'store'))
    // SQLite makes the content of its files durable; that they are in this folder is ours to see to.
    await sys.disk.syncFolder(dataFolder)
    const served = await serve(options, { store, content, tagRule, ...(tls && { tls }) })
    // After listening: a start that fails, on a port in use for instance, must not use up the one showing of the token.
    const adminToken = await makeAdminToken(options, store).catch(async (error: unknown) => {
      await served.close()
      throw error
    })
    return {
      url: `${tls === undefined ? 'http' : 'https'}://${bracketed(hosts[0] ?? listen.host)}:${served.port}`,
      ...(tls && { authority: { pem: tls.authority, fingerprint: tls.fingerprint } }),
      ...(adminToken !== undefined && { adminToken }),
      idle: served.idle,
      async close() {
        await served.close()
        store.close()
      },
    }
  } catch (error) {
    store.close()
    throw error
  }
}

/** What is made at a time that cannot be (authority, epoch of the orders) would be wrong for ever. @throws ServerError `clock-far-off` */
function requireLikelyTime(now: number): void {
  if (now < earliestMs)
    throw new ServerError('clock-far-off', `the clock of this host says ${new Date(now).toISOString()}`, {
      hint: 'set it, then start the server: timedatectl set-ntp true',
    })
}

interface State {
  readonly store: Store
  readonly content: ContentStore
  readonly tagRule: TagRule
  readonly tls?: Tls
}

async function serve(
  { sys, listen, directorKey, onError }: ServerOptions,
  { store, content, tagRule, tls }: State,
) {
  const closing = new AbortController()
  const director = new Director({
    store,
    clock: sys.clock,
    sign: (payloadType, payload) => signEnvelope(payloadType, payload, [directorKey]),
  })
  const refused: Parts['refused'] = new Map()
  const authentication: AuthenticationParts = {
    store,
    audience: credentialAudience(tls?.fingerprint),
    seen: createReplayMemory(),
    now: () => sys.clock.now(),
    onRefused: (node, { code, message }) => void refused.set(node, { at: sys.clock.now(), code, message }),
  }
  const app = createApp({
    ...{ sys, store, director, authentication, onError, closing: closing.signal },
    changes: watchChanges(store, sys.clock),
    lastSeen: new Map(),
    refused,
  })
  const registry = createRegistry({
    store: content,
    index: store.registryIndex,
    clock: sys.clock,
    authorize: (request) => registryPrincipal(authentication, request),
    onManifest: releaseRegistrar(content, store),
    ...{ tagRule, onError },
  })
  await app.ready()
  const watch = await watchRollouts({ director, store, clock: sys.clock, onError })
  const stop = async () => {
    closing.abort()
    await watch.close()
    await app.close()
  }
  const handle = (request: IncomingMessage, response: ServerResponse) =>
    /^\/v2(?:[/?]|$)/.test(request.url ?? '') ? registry(request, response) : app.routing(request, response)
  const listener = await sys.net
    .listen({ ...listen, ...(tls && { tls: { key: tls.key, cert: tls.cert } }) }, handle)
    .catch(async (error: unknown) => {
      await stop()
      throw error
    })
  return {
    port: listener.port,
    idle: () => watch.idle(),
    async close() {
      closing.abort()
      await listener.close(closeGraceMs)
      await stop()
    },
  }
}

/** At the first start, and when asked for: without a token nobody could ever come in. */
async function makeAdminToken(
  { sys, newAdminToken = false }: ServerOptions,
  store: Store,
): Promise<string | undefined> {
  if (!newAdminToken && (await store.hasTokens())) return undefined
  const { token, hash } = mintToken(sys.random, 'admin')
  await store.addToken({ hash, claim: { is: 'admin' } }, 'server')
  return token
}

/** What stands in the certificate and, first, in the URL. A server that listens on every address must be told its names. */
function hostsOf({ listen, advertise = [] }: ServerOptions): readonly string[] {
  const everywhere = listen.host === '0.0.0.0' || listen.host === '::'
  if (everywhere && advertise.length === 0)
    throw new ServerError('address-not-advertised', `no client knows this server as ${listen.host}`, {
      hint: 'name an address or host name that clients reach it by: ashlar serve --advertise 10.0.0.1',
    })
  return [...new Set([...advertise, ...(everywhere ? ['127.0.0.1', 'localhost'] : [listen.host])])]
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Nodes pull, operators push; whoever may only enrol sees nothing. */
async function registryPrincipal(
  authentication: AuthenticationParts,
  request: IncomingMessage,
): Promise<RegistryPrincipal | undefined> {
  try {
    const { is, actor } = await authenticate(authentication, request)
    return { actor, may: (action) => is === 'operator' || (is === 'node' && action === 'pull') }
  } catch (error) {
    if (error instanceof CredentialRefused) return undefined
    if (error instanceof ServerError && error.code === 'not-authenticated') return undefined
    throw error
  }
}
