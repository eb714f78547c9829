import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiError, type Client, createClient, type Rollout } from '../../src/api/index.ts'
import { AshlarError, type Digest, mediaType } from '../../src/core/index.ts'
import { createNodeKey } from '../../src/identity/index.ts'
import { collect, digestOf, openRemoteRepository, type Repository, streamOf } from '../../src/oci/index.ts'
import { generateKeyPair } from '../../src/sign/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { fleetOf, releaseFixture, statusRunning, TestNode } from '../../src/testing/index.ts'

const kills = 105
/** Requests that are sent before the kill, at most; the kill then comes some turns of the event loop later. */
const requestsMax = 40
const pushRequestsMax = 60
const turnsMax = 400
const seed = Number(process.env.ASHLAR_SEED ?? 20_261_121)

const folder = mkdtempSync(join(tmpdir(), 'ashlar-kill-'))
const program = join(folder, 'serve.mjs')
const keyFile = join(folder, 'director.key')
let child: ChildProcess | undefined
let url = ''
let token = ''
/** Called for each request that is about to be sent. */
let onSend = () => {}

beforeAll(async () => {
  writeFileSync(keyFile, generateKeyPair().privateKey, { mode: 0o600 })
  // One file starts several times faster than the sources: there are more than a hundred starts.
  await build({
    entryPoints: [resolve(import.meta.dirname, '../../src/testing/serve-main.ts')],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node24', logLevel: 'error' },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
})
afterAll(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** mulberry32: the same seed gives the same kills. */
function randomOf(state: number): (below: number) => number {
  let a = state
  return (below) => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

async function start(): Promise<void> {
  const started = spawn(process.execPath, [program, join(folder, 'data'), keyFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child = started
  for await (const line of createInterface({ input: started.stdout })) {
    const ready = JSON.parse(line) as { url: string; adminToken?: string }
    url = ready.url
    token = ready.adminToken ?? token
    return
  }
  throw new Error('the server ended before it was ready')
}

async function kill(): Promise<void> {
  const ended = new Promise((done) => child?.once('exit', done))
  child?.kill('SIGKILL')
  await ended
}

const net = {
  ...realSys.net,
  request: (request: Parameters<typeof realSys.net.request>[0]) => {
    onSend()
    return realSys.net.request(request)
  },
}
const sys = { ...realSys, net }
const clientWith = (credential: string): Client => createClient({ net, url, credential: () => credential })
const admin = () => clientWith(`Bearer ${token}`)
const repository = (name: string): Repository =>
  openRemoteRepository(sys, { url, name, credential: () => `Bearer ${token}` })

/** What the server has acknowledged. */
const acknowledged = {
  fleets: new Map<string, number>(),
  reports: new Map<string, number>(),
  nodes: new Map<string, string>(),
  tags: new Map<string, Digest>(),
  releases: new Set<Digest>(),
  rollouts: new Set<string>(),
  /** Each order that the node was handed, in that order. */
  orders: [] as number[],
}
const sent = { fleets: new Map<string, number>(), reports: new Map<string, number>() }
let count = 0

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

const applyTo = (name: string) => async () => {
  const n = ++count
  sent.fleets.set(name, n)
  const fleet = fleetOf(name, { site: 'none' }, [{ count: 1 }])
  await admin().apply({ ...fleet, metadata: { name, labels: { n: String(n) } } })
  acknowledged.fleets.set(name, n)
}

const reportAs = (node: TestNode) => async () => {
  const n = ++count
  sent.reports.set(node.name, n)
  await node.client.reportStatus({ ...statusRunning(node.running), bootId: String(n) })
  acknowledged.reports.set(node.name, n)
}

async function enrolOne(): Promise<void> {
  const node = `machine-${++count}`
  const { token: secret } = await admin().createToken({ is: 'enrolment', node })
  const { publicKey } = createNodeKey()
  await clientWith(`Bearer ${secret}`).enrol(publicKey)
  acknowledged.nodes.set(node, publicKey)
}

/** A push that was cut off is made again, as a person would: what had arrived is not sent twice. */
async function pushImage(): Promise<void> {
  const tag = `t-${acknowledged.tags.size}`
  const images = repository('images')
  const descriptor = async (text: string, type: string) => {
    const bytes = Buffer.from(text)
    await images.blobs.write(digestOf(bytes), bytes.length, streamOf(bytes))
    return { mediaType: type, digest: digestOf(bytes), size: bytes.length }
  }
  const config = await descriptor(`{"tag":"${tag}"}`, mediaType.config)
  const layer = await descriptor(`layer of ${tag} `.repeat(2_000), mediaType.layerGzip)
  const manifest = { schemaVersion: 2, mediaType: mediaType.manifest, config, layers: [layer] }
  const digest = await images.putManifest(Buffer.from(JSON.stringify(manifest)), mediaType.manifest, tag)
  acknowledged.tags.set(tag, digest)
}

async function pushRelease(): Promise<void> {
  const version = `1.0.${acknowledged.releases.size}`
  const { digest } = await releaseFixture(repository('gateway'), { version, tag: version, rootBytes: 1_000 })
  acknowledged.releases.add(digest)
}

/** One rollout after the other, between whatever releases there are. */
async function rollOut(): Promise<void> {
  const releases = [...acknowledged.releases]
  const release = releases[++count % releases.length]
  if (release === undefined) throw new Error('no release was pushed')
  try {
    const { metadata } = await admin().startRollout({ fleet: 'moving', release })
    acknowledged.rollouts.add(metadata.name)
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'rollout-running')) throw error
    await admin().list('Rollout')
  }
}

const obeyAs = (node: TestNode) => async () => {
  const answer = await node.next(5)
  if (answer === undefined) return
  acknowledged.orders.push(answer.order.number)
  node.running = node.orders.at(-1) ?? node.running
  await node.report({ order: answer.order, release: node.running, is: 'confirmed' })
}

/** A node that had its order and was cut off before it could report: it reports now. */
async function catchUp(node: TestNode): Promise<void> {
  if (node.order.number > 0) await node.report({ order: node.order, release: node.running, is: 'confirmed' })
}

/** Everything that was acknowledged is there. */
async function check(moving: TestNode): Promise<void> {
  const client = admin()
  const fleets = new Map((await client.list('Fleet')).map(({ metadata }) => [metadata.name, metadata]))
  for (const [name, n] of acknowledged.fleets) {
    const found = Number(fleets.get(name)?.labels.n)
    expect(found, `fleet ${name}`).toBeGreaterThanOrEqual(n)
    expect(found, `fleet ${name}`).toBeLessThanOrEqual(sent.fleets.get(name) ?? 0)
  }
  const nodes = new Map((await client.list('Node')).map((node) => [node.metadata.name, node]))
  for (const [name, n] of acknowledged.reports) {
    const found = Number(nodes.get(name)?.status.observed?.bootId)
    expect(found, `report of ${name}`).toBeGreaterThanOrEqual(n)
    expect(found, `report of ${name}`).toBeLessThanOrEqual(sent.reports.get(name) ?? 0)
  }
  for (const [name, key] of acknowledged.nodes) expect(nodes.get(name)?.spec.publicKey, name).toBe(key)
  const releases = new Set((await client.list('Release')).map(({ spec }) => spec.digest))
  for (const digest of acknowledged.releases) expect(releases, 'releases').toContain(digest)
  const rollouts: readonly Rollout[] = await client.list('Rollout')
  const names = new Set(rollouts.map(({ metadata }) => metadata.name))
  for (const name of acknowledged.rollouts) expect(names, 'rollouts').toContain(name)
  const assigned = nodes.get(moving.name)?.status.assigned?.order.number ?? 0
  expect(assigned, 'the last order').toBeGreaterThanOrEqual(acknowledged.orders.at(-1) ?? 0)
  const images = repository('images')
  for (const [tag, digest] of [...acknowledged.tags].slice(-10))
    expect((await images.manifest(tag))?.digest, tag).toBe(digest)
}

/** At the end: every blob of every acknowledged push reads back whole, and the log has no hole. */
async function checkAll(): Promise<void> {
  const images = repository('images')
  for (const [tag, digest] of acknowledged.tags) {
    const manifest = await images.manifest(tag)
    expect(manifest?.digest, tag).toBe(digest)
    const { layers } = JSON.parse(Buffer.from(manifest?.bytes ?? []).toString()) as {
      layers: { digest: Digest }[]
    }
    for (const layer of layers) await collect(images.blobs.read(layer.digest), 1_000_000)
  }
  let last = 0
  for (;;) {
    const rows = await admin().log(last)
    if (rows.length === 0) break
    for (const { sequence } of rows) expect(sequence).toBe(++last)
  }
  const orders = acknowledged.orders
  expect(orders).toEqual([...new Set(orders)].toSorted((a, b) => a - b))
}

test(`a server that is killed ${kills} times has lost nothing that it had acknowledged`, async () => {
  const random = randomOf(seed)
  await start()
  const enrol = async (name: string, labels: Record<string, string>) => {
    const { token: secret } = await admin().createToken({ is: 'enrolment', node: name, labels })
    const { publicKey, privateKey } = createNodeKey()
    const { epoch } = await clientWith(`Bearer ${secret}`).enrol(publicKey)
    return new TestNode(sys, name, privateKey, epoch, () => url)
  }
  const reporter = await enrol('reporter-1', {})
  const moving = await enrol('moving-1', { site: 'moving' })
  await admin().apply(fleetOf('moving', { site: 'moving' }, [{ count: 1 }]))
  await pushRelease()
  await pushRelease()
  for (let round = 1; round <= kills; round++) {
    const { promise: due, resolve: strike } = Promise.withResolvers<void>()
    // A push is many requests, which the quick ones would crowd out: it has rounds of its own.
    const pushes = random(3) === 0
    const workers = pushes
      ? [random(2) === 0 ? pushImage : pushRelease]
      : [applyTo('f-1'), applyTo('f-2'), reportAs(reporter), enrolOne, rollOut, obeyAs(moving)]
    let left = 1 + random(pushes ? pushRequestsMax : requestsMax)
    onSend = () => {
      if (--left === 0) strike()
    }
    const work = workers.map(untilGone)
    // A fault of one worker is seen at once, not at the next kill.
    await Promise.race([due, Promise.all(work)])
    for (let turns = random(turnsMax); turns > 0; turns--) await new Promise(setImmediate)
    await kill()
    await Promise.all(work)
    onSend = () => {}
    await start()
    await catchUp(moving)
    await check(moving).catch((error: Error) => {
      throw new Error(`after kill ${round} of the run with ASHLAR_SEED=${seed}: ${error.message}`, {
        cause: error,
      })
    })
  }
  await checkAll()
  // The workers got far enough for the checks to mean something.
  const { nodes, tags, releases, rollouts, orders } = acknowledged
  const made = [nodes.size, tags.size, releases.size, rollouts.size, orders.length]
  expect(Math.min(...made), `acknowledged: ${made.join(', ')}`).toBeGreaterThan(5)
})
