import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AssignmentAnswer,
  type Client,
  createClient,
  credentialAudience,
  type Fleet,
  type NodeStatus,
  type Order,
  parseAssignment,
} from '../api/index.ts'
import { type Digest, digestFromHex, type Reason } from '../core/index.ts'
import { createNodeKey, nodeCredential } from '../identity/index.ts'
import { type RunningServer, type ServerOptions, startServer } from '../server/index.ts'
import { generateKeyPair, type KeyPair, loadPrivateKey } from '../sign/index.ts'
import { realSys, type Sys } from '../sys/index.ts'

export interface TestServer {
  readonly url: string
  readonly adminToken: string
  readonly directorKey: KeyPair
  readonly folder: string
  /** What the server told its operator of. */
  readonly errors: readonly unknown[]
  readonly client: Client
  /** A client with any credential. */
  clientWith(credential: string): Client
  idle(): Promise<void>
  /** Ends the server and starts it again on the same folder, under another port. */
  restart(): Promise<void>
  enrol(name: string, labels?: Readonly<Record<string, string>>): Promise<TestNode>
  close(): Promise<void>
}

/** A real server on loopback with its state in a temporary folder. */
export async function testServer(
  sys: Sys = realSys,
  more: Pick<ServerOptions, 'mutableTags'> = {},
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'ashlar-server-'))
  const directorKey = generateKeyPair()
  const errors: unknown[] = []
  const start = () =>
    startServer({
      sys,
      dataFolder: folder,
      listen: { host: '127.0.0.1', port: 0 },
      directorKey: loadPrivateKey(directorKey.privateKey),
      onError: (error) => errors.push(error),
      ...more,
    })
  let running: RunningServer = await start()
  const adminToken = running.adminToken ?? ''
  const clientWith = (credential: string) =>
    createClient({ net: sys.net, url: running.url, credential: () => credential })
  return {
    get url() {
      return running.url
    },
    get client() {
      return clientWith(`Bearer ${adminToken}`)
    },
    adminToken,
    directorKey,
    folder,
    errors,
    clientWith,
    idle: () => running.idle(),
    async restart() {
      await running.close()
      running = await start()
    },
    async enrol(name, labels = {}) {
      const { token } = await clientWith(`Bearer ${adminToken}`).createToken({
        is: 'enrolment',
        node: name,
        labels,
      })
      const key = createNodeKey()
      const { epoch } = await clientWith(`Bearer ${token}`).enrol(key.publicKey)
      return new TestNode(sys, name, key.privateKey, epoch, () => running.url)
    },
    async close() {
      await running.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** Speaks to a server as an agent does and says what a test wants it to say; nothing boots. */
export class TestNode {
  readonly name: string
  readonly orders: Digest[] = []
  order: Order
  running: Digest = digestFromHex('0'.repeat(64))
  readonly #sys: Sys
  readonly #privateKey: string
  readonly #url: () => string

  constructor(sys: Sys, name: string, privateKey: string, epoch: number, url: () => string) {
    this.#sys = sys
    this.name = name
    this.#privateKey = privateKey
    this.order = { epoch, number: 0 }
    this.#url = url
  }

  get client(): Client {
    return createClient({
      net: this.#sys.net,
      url: this.#url(),
      credential: (method, path) => this.credential(method, path),
    })
  }

  async credential(method: string, path: string): Promise<string> {
    const now = this.#sys.clock.now()
    const audience = credentialAudience(undefined)
    const { name: node } = this
    const privateKey = this.#privateKey
    return `Bearer ${await nodeCredential({ node, privateKey, method, path, audience, now })}`
  }

  /** Waits for the next order. */
  async next(waitSeconds = 20, signal?: AbortSignal): Promise<AssignmentAnswer | undefined> {
    const answer = await this.client.nextAssignment(this.order, waitSeconds, signal)
    if (answer === undefined) return undefined
    this.order = answer.order
    this.orders.push(releaseOf(answer))
    return answer
  }

  /** Waits for the next order and carries it out well. */
  async obey(): Promise<void> {
    const answer = await this.next()
    if (answer === undefined) throw new Error(`${this.name} was given no order`)
    this.running = releaseOf(answer)
    await this.report({ order: answer.order, release: this.running, is: 'confirmed' })
  }

  /** Waits for the next order and fails it. */
  async fail(is: 'went-back' | 'refused' | 'failed', reason: Reason): Promise<void> {
    const answer = await this.next()
    if (answer === undefined) throw new Error(`${this.name} was given no order`)
    const { code, message } = reason
    await this.report({ order: answer.order, release: releaseOf(answer), is, reason: { code, message } })
  }

  report(outcome?: NodeStatus['outcome']): Promise<void> {
    return this.client.reportStatus(statusRunning(this.running, outcome))
  }
}

export function statusRunning(release: Digest, outcome?: NodeStatus['outcome']): NodeStatus {
  return {
    agentVersion: '0.1.0',
    bootId: 'boot',
    running: { slot: 'a', release, root: release, measuredBy: 'launcher', confirmed: true },
    slots: { a: { is: 'good', release }, b: { is: 'empty' } },
    floor: 0,
    ...(outcome !== undefined && { outcome }),
    warnings: [],
  }
}

export function fleetOf(
  name: string,
  labels: Readonly<Record<string, string>>,
  waves: Fleet['spec']['rollout']['waves'],
): Fleet {
  return {
    apiVersion: 'ashlar/v1',
    kind: 'Fleet',
    metadata: { name, labels: {} },
    spec: { nodes: { matchLabels: { ...labels } }, image: 'gateway', rollout: { waves, deadline: '15m' } },
    status: {},
  }
}

function releaseOf(answer: AssignmentAnswer): Digest {
  return parseAssignment(Buffer.from(answer.envelope.payload, 'base64').toString('utf8')).release
}
