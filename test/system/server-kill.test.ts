import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiError, type Rollout } from '../../src/api/index.ts'
import { type Digest, mediaType } from '../../src/core/index.ts'
import { createNodeKey } from '../../src/identity/index.ts'
import { collect, digestOf, streamOf } from '../../src/oci/index.ts'
import { fleetOf, releaseFixture, statusRunning, type TestNode } from '../../src/testing/index.ts'
import { KillableServer, randomOf } from './killable-server.ts'

const kills = 105
/** Requests that are sent before the kill, at most; the kill then comes some turns of the event loop later. */
const requestsMax = 40
const pushRequestsMax = 60
const turnsMax = 400
const seed = Number(process.env.ASHLAR_SEED ?? 20_261_121)

const server = new KillableServer()
beforeAll(() => server.prepare())
afterAll(() => server.remove())

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

const applyTo = (name: string) => async () => {
  const n = ++count
  sent.fleets.set(name, n)
  const fleet = fleetOf(name, { site: 'none' }, [{ count: 1 }])
  await server.admin.apply({ ...fleet, metadata: { name, labels: { n: String(n) } } })
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
  const { token: secret } = await server.admin.createToken({ is: 'enrolment', node })
  const { publicKey } = createNodeKey()
  await server.clientWith(`Bearer ${secret}`).enrol(publicKey)
  acknowledged.nodes.set(node, publicKey)
}

/** A push that was cut off is made again, as a person would: what had arrived is not sent twice. */
async function pushImage(): Promise<void> {
  const tag = `t-${acknowledged.tags.size}`
  const images = server.repository('images')
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
  const { digest } = await releaseFixture(server.repository('gateway'), {
    version,
    tag: version,
    rootBytes: 1_000,
  })
  acknowledged.releases.add(digest)
}

/** One rollout after the other, between whatever releases there are. */
async function rollOut(): Promise<void> {
  const releases = [...acknowledged.releases]
  const release = releases[++count % releases.length]
  if (release === undefined) throw new Error('no release was pushed')
  try {
    const { metadata } = await server.admin.startRollout({ fleet: 'moving', release })
    acknowledged.rollouts.add(metadata.name)
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'rollout-running')) throw error
    await server.admin.list('Rollout')
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
  const client = server.admin
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
  const images = server.repository('images')
  for (const [tag, digest] of [...acknowledged.tags].slice(-10))
    expect((await images.manifest(tag))?.digest, tag).toBe(digest)
}

/** At the end: every blob of every acknowledged push reads back whole, and the log has no hole. */
async function checkAll(): Promise<void> {
  const images = server.repository('images')
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
    const rows = await server.admin.log(last)
    if (rows.length === 0) break
    for (const { sequence } of rows) expect(sequence).toBe(++last)
  }
  const orders = acknowledged.orders
  expect(orders).toEqual([...new Set(orders)].toSorted((a, b) => a - b))
}

test(`a server that is killed ${kills} times has lost nothing that it had acknowledged`, async () => {
  const random = randomOf(seed)
  await server.start()
  const reporter = await server.enrol('reporter-1')
  const moving = await server.enrol('moving-1', { site: 'moving' })
  await server.admin.apply(fleetOf('moving', { site: 'moving' }, [{ count: 1 }]))
  await pushRelease()
  await pushRelease()
  for (let round = 1; round <= kills; round++) {
    // A push is many requests, which the quick ones would crowd out: it has rounds of its own.
    const pushes = random(3) === 0
    const workers = pushes
      ? [random(2) === 0 ? pushImage : pushRelease]
      : [applyTo('f-1'), applyTo('f-2'), reportAs(reporter), enrolOne, rollOut, obeyAs(moving)]
    const requests = 1 + random(pushes ? pushRequestsMax : requestsMax)
    await server.killAfter(requests, random(turnsMax), workers)
    await server.start()
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
