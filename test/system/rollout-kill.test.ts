import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Envelope, type LogEntry, parseAssignment, type Rollout } from '../../src/api/index.ts'
import type { Digest } from '../../src/core/index.ts'
import { fleetOf, releaseFixture, type TestNode } from '../../src/testing/index.ts'
import { KillableServer, randomOf } from './killable-server.ts'

const rollouts = 25
/** Requests until a kill, at most: a rollout takes ten, and nodes that wait ask again and again. */
const requestsMax = 14
const pollSeconds = 0.2
const turnsMax = 200
const seed = Number(process.env.ASHLAR_SEED ?? 20_261_121)
/** One node, then three, then all five. */
const waves = [{ count: 1 }, { count: 3 }, { percent: 100 }]
const waveOf = new Map([1, 2, 3, 4, 5].map((n) => [`node-${n}`, n === 1 ? 0 : n <= 3 ? 1 : 2]))

const server = new KillableServer()
beforeAll(() => server.prepare())
afterAll(() => server.remove())

/** What each node was handed under each number, by `node epoch.number`. */
const handed = new Map<string, Envelope>()
/** The nodes whose success in the rollout under way was sent to the server. */
let told = new Set<string>()
let kills = 0
let killedBetween = 0

/** Asks, now and then as one who has forgotten its last order; obeys once and says so. */
const obeyAs = (node: TestNode, release: Digest, random: (below: number) => number) => async () => {
  const { epoch, number } = node.order
  const forgets = random(3) === 0
  const asked = { epoch, number: forgets ? Math.max(0, number - 1) : number }
  const answer = await node.client.nextAssignment(asked, pollSeconds)
  if (answer === undefined) return
  const key = `${node.name} ${answer.order.epoch}.${answer.order.number}`
  expect(handed.get(key) ?? answer.envelope, `${key} was another order before`).toEqual(answer.envelope)
  handed.set(key, answer.envelope)
  node.order = answer.order
  const payload = Buffer.from(answer.envelope.payload, 'base64').toString()
  if (parseAssignment(payload).release !== release) return
  const wave = waveOf.get(node.name) ?? 0
  for (const [other, itsWave] of waveOf)
    if (itsWave < wave)
      expect(told, `${node.name} was ordered before ${other} had confirmed`).toContain(other)
  node.running = release
  told.add(node.name)
  await node.report({ order: answer.order, release, is: 'confirmed' })
}

/** A node that was cut off after its order: it says again how it ended. */
async function catchUp(node: TestNode): Promise<void> {
  if (node.order.number > 0) await node.report({ order: node.order, release: node.running, is: 'confirmed' })
}

async function logOf(rollout: string): Promise<readonly LogEntry[]> {
  const rows: LogEntry[] = []
  for (let after = 0; ; ) {
    const page = await server.admin.log(after)
    if (page.length === 0) break
    rows.push(...page)
    after = page.at(-1)?.sequence ?? after
  }
  return rows.filter(({ subject }) => subject === `Rollout/${rollout}`)
}

/** What the director wrote down: each wave once and in order, each node ordered once and in its own wave. */
function checkSteps(rows: readonly LogEntry[]): void {
  const steps = rows.flatMap(({ detail }) => (detail as { readonly steps?: readonly string[] }).steps ?? [])
  expect(steps.filter((step) => step.startsWith('advance'))).toEqual([
    'advance to wave 2',
    'advance to wave 3',
  ])
  const ordered = steps.flatMap((step) => /^assign \S+ to (\S+) in wave (\d)$/.exec(step)?.slice(1) ?? [])
  expect(ordered).toEqual([...waveOf].flatMap(([name, wave]) => [name, String(wave + 1)]))
  const confirmed = steps.filter((step) => step.endsWith(' confirmed'))
  expect(confirmed.toSorted()).toEqual([...waveOf.keys()].map((name) => `${name} confirmed`))
}

async function rollOut(nodes: readonly TestNode[], release: Digest, random: (below: number) => number) {
  told = new Set()
  const { metadata } = await server.admin.startRollout({ fleet: 'plants', release })
  for (;;) {
    const workers = nodes.map((node) => obeyAs(node, release, random))
    await server.killAfter(1 + random(requestsMax), random(turnsMax), workers)
    kills++
    await server.start()
    for (const node of nodes) await catchUp(node)
    const rollout: Rollout = await server.admin.get('Rollout', metadata.name)
    const states = Object.values(rollout.status.nodes).map(({ state }) => state)
    if (states.includes('assigned') && states.includes('confirmed')) killedBetween++
    if (rollout.status.phase === 'running') continue
    expect(rollout.status).toMatchObject({ phase: 'succeeded', wave: 2, waves: 3 })
    return checkSteps(await logOf(metadata.name))
  }
}

test(`${rollouts} rollouts of three waves go on through kills of the server, and skip and repeat nothing`, async () => {
  const random = randomOf(seed)
  await server.start()
  const nodes: TestNode[] = []
  for (const name of waveOf.keys()) nodes.push(await server.enrol(name, { site: 'plant' }))
  const releases: Digest[] = []
  for (const version of ['1.0.0', '1.1.0']) {
    const options = { version, tag: version, rootBytes: 1_000 }
    releases.push((await releaseFixture(server.repository('gateway'), options)).digest)
  }
  await server.admin.apply(fleetOf('plants', { site: 'plant' }, waves))
  for (let n = 0; n < rollouts; n++) {
    const release = releases[n % 2]
    if (release === undefined) throw new Error('no release was pushed')
    await rollOut(nodes, release, random).catch((error: Error) => {
      const why = `in rollout ${n + 1} of the run with ASHLAR_SEED=${seed}, after ${kills} kills`
      throw new Error(`${why}: ${error.message}`, { cause: error })
    })
  }
  expect(handed.size).toBe(rollouts * nodes.length)
  // The kills came where they mean something.
  expect(killedBetween, `of ${kills} kills, in the middle of a wave or between two`).toBeGreaterThan(rollouts)
})
