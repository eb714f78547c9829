import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { type Client, createClient } from '../../src/api/index.ts'
import { AshlarError } from '../../src/core/index.ts'
import { createNodeKey } from '../../src/identity/index.ts'
import { openRemoteRepository, type Repository } from '../../src/oci/index.ts'
import { generateKeyPair } from '../../src/sign/index.ts'
import { realSys, type Sys } from '../../src/sys/index.ts'
import { TestNode } from '../../src/testing/index.ts'

/** A server as a process of its own, which is killed with SIGKILL and started again on the same folder. */
export class KillableServer {
  /** Is called for each request that is about to be sent. */
  onSend = () => {}
  readonly sys: Sys
  readonly #folder = mkdtempSync(join(tmpdir(), 'ashlar-kill-'))
  #child: ChildProcess | undefined
  #url = ''
  #token = ''

  constructor() {
    const request: Sys['net']['request'] = (sent) => {
      this.onSend()
      return realSys.net.request(sent)
    }
    this.sys = { ...realSys, net: { ...realSys.net, request } }
  }

  get #program(): string {
    return join(this.#folder, 'serve.mjs')
  }

  get #keyFile(): string {
    return join(this.#folder, 'director.key')
  }

  async prepare(): Promise<void> {
    writeFileSync(this.#keyFile, generateKeyPair().privateKey, { mode: 0o600 })
    // One file starts several times faster than the sources: there are many starts.
    await build({
      entryPoints: [resolve(import.meta.dirname, '../../src/testing/serve-main.ts')],
      outfile: this.#program,
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node24', logLevel: 'error' },
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    })
  }

  async start(): Promise<void> {
    const args = [this.#program, join(this.#folder, 'data'), this.#keyFile]
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = started
    for await (const line of createInterface({ input: started.stdout })) {
      const ready = JSON.parse(line) as { url: string; adminToken?: string }
      this.#url = ready.url
      this.#token = ready.adminToken ?? this.#token
      return
    }
    throw new Error('the server ended before it was ready')
  }

  get url(): string {
    return this.#url
  }

  get credential(): string {
    return `Bearer ${this.#token}`
  }

  /** Of the server's process, since it started. */
  get residentBytesMax(): number {
    const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  }

  get folder(): string {
    return join(this.#folder, 'data')
  }

  async kill(): Promise<void> {
    const ended = new Promise((done) => this.#child?.once('exit', done))
    this.#child?.kill('SIGKILL')
    await ended
  }

  remove(): void {
    this.#child?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true })
  }

  clientWith(credential: string): Client {
    return createClient({ net: this.sys.net, url: this.#url, credential: () => credential })
  }

  get admin(): Client {
    return this.clientWith(`Bearer ${this.#token}`)
  }

  repository(name: string): Repository {
    return openRemoteRepository(this.sys, {
      ...{ url: this.#url, name },
      credential: () => `Bearer ${this.#token}`,
    })
  }

  async enrol(name: string, labels: Readonly<Record<string, string>> = {}): Promise<TestNode> {
    const { token } = await this.admin.createToken({ is: 'enrolment', node: name, labels })
    const { publicKey, privateKey } = createNodeKey()
    const { epoch } = await this.clientWith(`Bearer ${token}`).enrol(publicKey)
    return new TestNode(this.sys, name, privateKey, epoch, () => this.#url)
  }

  /**
   * Lets workers work until this many requests were sent, and some turns of the event loop more; then kills the server
   * and waits for the workers to notice. Where they have all ended before, it kills then.
   */
  async killAfter(requests: number, turns: number, workers: readonly (() => Promise<void>)[]): Promise<void> {
    const { promise: due, resolve: strike } = Promise.withResolvers<void>()
    let left = requests
    this.onSend = () => {
      if (--left === 0) strike()
    }
    const work = workers.map(untilGone)
    // A fault of one worker is seen at once, not at the next kill.
    await Promise.race([due, Promise.all(work)])
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    await this.kill()
    await Promise.all(work)
    this.onSend = () => {}
  }
}

/** Repeats a piece of work until the server is gone. Any other answer than its being gone is a fault. */
async function untilGone(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await work()
    } catch (error) {
      const code = error instanceof AshlarError ? error.code : undefined
      if (code === 'server-unreachable' || code === 'registry-unreachable') return
      throw error
    }
  }
}

/** mulberry32: the same seed gives the same kills. */
export function randomOf(state: number): (below: number) => number {
  let a = state
  return (below) => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}
