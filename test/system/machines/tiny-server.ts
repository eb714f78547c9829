import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Assignment,
  type AssignmentAnswer,
  credentialAudience,
  enrolRequestSchema,
  type NodeStatus,
  nodeStatusSchema,
} from '../../../src/api/index.ts'
import { canonicalJson, type Digest, mediaType, parseDigest } from '../../../src/core/index.ts'
import {
  certificateFingerprint,
  createAuthority,
  createReplayMemory,
  issueServerCertificate,
  judgeNodeCredential,
  mintToken,
  printEnrolment,
  publicKeyDigest,
  type ReplayMemory,
} from '../../../src/identity/index.ts'
import { collect, type Descriptor, type Repository } from '../../../src/oci/index.ts'
import { type PrivateKey, signEnvelope } from '../../../src/sign/index.ts'
import { type Listener, realSys } from '../../../src/sys/index.ts'

/**
 * The server's side of the agent's protocol, with what a test needs to break it: orders by hand, connections that are
 * cut after some bytes, blobs that were exchanged. Routes and wire types are those of `src/api`; the agent cannot tell.
 */
export class TinyServer {
  readonly #repository: Repository
  readonly #director: PrivateKey
  readonly #authority = createAuthority({ now: Date.now() })
  readonly #host: string
  readonly #seen: ReplayMemory = createReplayMemory()
  readonly #tokens = new Map<string, string>()
  readonly #keys = new Map<string, string>()
  readonly #orders = new Map<string, AssignmentAnswer>()
  readonly #statuses = new Map<string, NodeStatus[]>()
  #woken: (() => void)[] = []
  #listener: Listener | undefined
  #port = 0
  /** Every range that was asked of a blob, as the Range header had it; `whole` without one. */
  readonly ranges: string[] = []
  /** The next answers with a blob end after this many bytes. */
  cutAfterBytes: number[] = []
  /** The next answers with a blob stop sending after this many bytes, and stay open. */
  stallAfterBytes: number[] = []
  #stalls = 0
  #stallsSeen = 0
  /** Blobs that are served with other bytes. */
  readonly exchanged = new Map<Digest, Buffer>()
  #last: { readonly digest: Digest; readonly bytes: Buffer } | undefined
  /** While it is not, nobody can enrol. */
  open = true
  #serial = 0

  constructor(repository: Repository, director: PrivateKey, host: string) {
    this.#repository = repository
    this.#director = director
    this.#host = host
  }

  get url(): string {
    return `https://${this.#host}:${this.#port}`
  }

  async start(): Promise<void> {
    const certificate = issueServerCertificate(this.#authority, {
      names: [],
      addresses: [this.#host],
      now: Date.now(),
    })
    this.#listener = await realSys.net.listen(
      { host: this.#host, port: this.#port, tls: { key: certificate.privateKey, cert: certificate.chain } },
      (request, response) => void this.#answer(request, response),
    )
    this.#port = this.#listener.port
  }

  async stop(): Promise<void> {
    this.#wake()
    await this.#listener?.close(0)
  }

  enrolmentFor(node: string): string {
    const { token } = mintToken(realSys.random, 'enrolment')
    this.#tokens.set(token, node)
    return printEnrolment({
      server: this.url,
      fingerprint: certificateFingerprint(this.#authority.certificate),
      node,
      secret: token,
    })
  }

  /** Gives a node an order, signed by the director; `change` breaks it. */
  order(
    node: string,
    release: Digest,
    change: Partial<Assignment> = {},
    signer = this.#director,
  ): Assignment['order'] {
    const order = { epoch: 1, number: ++this.#serial }
    const now = Date.now()
    const assignment: Assignment = {
      apiVersion: 'ashlar/v1',
      kind: 'Assignment',
      node,
      nodeKey: publicKeyDigest(this.#keys.get(node) ?? ''),
      order,
      release,
      repository: this.#repository.name,
      issuedAt: now,
      beginUntil: now + 600_000,
      ...change,
    }
    const envelope = signEnvelope(mediaType.assignment, canonicalJson(assignment), [signer])
    this.#orders.set(node, { order, envelope })
    this.#wake()
    return order
  }

  /** Resolves with the first report, past or to come, that is as asked. */
  async status(node: string, is: (status: NodeStatus) => boolean, timeoutMs = 120_000): Promise<NodeStatus> {
    const until = Date.now() + timeoutMs
    for (;;) {
      const found = this.#statuses.get(node)?.findLast(is)
      if (found !== undefined) return found
      if (Date.now() > until)
        throw new Error(
          `${node} never said so; last: ${JSON.stringify(this.#statuses.get(node)?.at(-1), null, 1)}`,
        )
      await this.#change(until - Date.now())
    }
  }

  outcome(node: string, order: Assignment['order']): Promise<NodeStatus> {
    return this.status(node, ({ outcome }) => outcome?.order.number === order.number)
  }

  /** Resolves when one more answer has stopped in the middle. */
  async stalled(): Promise<void> {
    while (this.#stalls === this.#stallsSeen) await this.#change(60_000)
    this.#stallsSeen += 1
  }

  async #change(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#woken.push(resolve)
    const timer = AbortSignal.timeout(Math.max(1, ms))
    timer.addEventListener('abort', () => resolve())
    await promise
  }

  #wake(): void {
    const woken = this.#woken
    this.#woken = []
    for (const resolve of woken) resolve()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const bearer = request.headers.authorization?.replace('Bearer ', '') ?? ''
    const url = new URL(path, this.url)
    if (path === '/v1/enrol') return this.#enrol(bearer, request, response)
    const verdict = await judgeNodeCredential(bearer, (node) => this.#keys.get(node), {
      method: request.method ?? '',
      path,
      audience: credentialAudience(certificateFingerprint(this.#authority.certificate)),
      now: Date.now(),
      seen: this.#seen,
    })
    if (verdict.is === 'refused') {
      const { code, message } = verdict.reason
      return send(response, 401, JSON.stringify({ error: { code, message } }))
    }
    if (url.pathname === '/v1/agent/assignment') return this.#assign(verdict.node, url, response)
    if (url.pathname === '/v1/agent/status') return this.#hear(verdict.node, request, response)
    return this.#content(url, request, response)
  }

  async #enrol(token: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const node = this.#tokens.get(token)
    if (node === undefined || !this.open) return send(response, 401, '')
    const { publicKey } = enrolRequestSchema.parse(JSON.parse(await body(request)))
    this.#keys.set(node, publicKey)
    send(response, 201, JSON.stringify({ node, epoch: 1 }))
    this.#wake()
  }

  async #assign(node: string, url: URL, response: ServerResponse): Promise<void> {
    const ask = (name: string) => Number(url.searchParams.get(name))
    const newer = () => {
      const answer = this.#orders.get(node)
      const isNewer =
        answer !== undefined &&
        (answer.order.epoch > ask('epoch') ||
          (answer.order.epoch === ask('epoch') && answer.order.number > ask('number')))
      return isNewer ? answer : undefined
    }
    const until = Date.now() + ask('waitSeconds') * 1_000
    while (newer() === undefined && Date.now() < until && !response.destroyed)
      await this.#change(until - Date.now())
    const answer = newer()
    if (answer === undefined) send(response, 204, '')
    else send(response, 200, JSON.stringify(answer))
  }

  async #hear(node: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const status = nodeStatusSchema.parse(JSON.parse(await body(request)))
    this.#statuses.set(node, [...(this.#statuses.get(node) ?? []), status])
    send(response, 204, '')
    this.#wake()
  }

  async #content(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, kind, digest] = /\/(manifests|blobs|referrers)\/(sha256:[0-9a-f]{64})$/.exec(url.pathname) ?? []
    if (kind === undefined || digest === undefined) return send(response, 404, '')
    if (kind === 'manifests') return this.#manifest(parseDigest(digest), response)
    if (kind === 'referrers') return this.#referrers(parseDigest(digest), response)
    const whole = this.exchanged.get(parseDigest(digest)) ?? (await this.#blob(parseDigest(digest)))
    const [, range, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    this.ranges.push(request.headers.range ?? 'whole')
    const start = Number(range ?? 0)
    const content = whole.subarray(start, last ? Number(last) + 1 : whole.length)
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': content.length,
      ...(range !== undefined && {
        'content-range': `bytes ${start}-${start + content.length - 1}/${whole.length}`,
      }),
    })
    const large = content.length > 100_000
    const stall = large ? this.stallAfterBytes.shift() : undefined
    if (stall !== undefined) {
      response.write(content.subarray(0, stall))
      this.#stalls += 1
      return this.#wake()
    }
    const cut = large ? this.cutAfterBytes.shift() : undefined
    if (cut === undefined) return void response.end(content)
    response.write(content.subarray(0, cut), () => response.destroy())
  }

  /** The blob that was asked for last is asked for again where connections are cut. */
  async #blob(digest: Digest): Promise<Buffer> {
    if (this.#last?.digest !== digest) {
      const bytes = Buffer.from(await collect(this.#repository.blobs.read(digest), 2 ** 31))
      this.#last = { digest, bytes }
    }
    return this.#last.bytes
  }

  async #manifest(digest: Digest, response: ServerResponse): Promise<void> {
    const found = await this.#repository.manifest(digest)
    if (found === undefined) return send(response, 404, '')
    response.writeHead(200, { 'content-type': found.mediaType }).end(found.bytes)
  }

  async #referrers(digest: Digest, response: ServerResponse): Promise<void> {
    const manifests: readonly Descriptor[] = await this.#repository.referrers(digest)
    const index = { schemaVersion: 2, mediaType: mediaType.index, manifests }
    response.writeHead(200, { 'content-type': mediaType.index }).end(JSON.stringify(index))
  }
}

async function body(request: IncomingMessage): Promise<string> {
  return Buffer.from(await collect(request, 1_000_000)).toString()
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(text)
}
