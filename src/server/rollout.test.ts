import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ApiError, parseAssignment, type Rollout } from '../api/index.ts'
import { type Digest, digestFromHex, mediaType } from '../core/index.ts'
import { publicKeyDigest } from '../identity/index.ts'
import { openRemoteRepository } from '../oci/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { fleetOf, releaseFixture, type TestNode, type TestServer, testServer } from '../testing/index.ts'
import { judgeAssignment } from '../verify/index.ts'

const canary = [{ count: 1 }, { percent: 100 }]
const unhealthy = { code: 'health-check-failed', message: 'check web failed' }
let server: TestServer
let nodes: readonly [TestNode, TestNode, TestNode]
let [first, second, third]: Digest[] = []

/** Time that stands still until a test moves it. */
class HeldClock {
  #now = realSys.clock.now()
  readonly #sleepers = new Map<() => void, number>()
  now = () => this.#now
  monotonicMs = realSys.clock.monotonicMs
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      this.#sleepers.set(resolve, this.#now + ms)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(resolve)
        reject(signal.reason)
      })
    })
  advance(ms: number): void {
    this.#now += ms
    for (const [wake, at] of [...this.#sleepers])
      if (at <= this.#now) {
        this.#sleepers.delete(wake)
        wake()
      }
  }
}

async function open(sys: Sys = realSys): Promise<void> {
  server = await testServer(sys)
  const repository = openRemoteRepository(realSys, {
    url: server.url,
    name: 'gateway',
    credential: () => `Bearer ${server.adminToken}`,
  })
  const push = async (version: string) =>
    (await releaseFixture(repository, { version, tag: version, rootBytes: 1_000 })).digest
  ;[first, second, third] = [await push('1.0.0'), await push('1.1.0'), await push('1.2.0')]
  const enrol = (name: string) => server.enrol(name, { site: 'plant' })
  nodes = [await enrol('node-1'), await enrol('node-2'), await enrol('node-3')]
  for (const node of nodes) {
    node.running = first ?? node.running
    await node.report()
  }
  await server.client.apply(fleetOf('plants', { site: 'plant' }, canary))
}

beforeEach(() => open())
afterEach(async () => {
  await server.close()
  expect(server.errors).toEqual([])
})

const start = (release = second) =>
  server.client.startRollout({ fleet: 'plants', ...(release !== undefined && { release }) })
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ApiError ? error.code : error),
  )
/** The rollout once it is settled, or as soon as `until` holds. */
async function settled(
  name: string,
  until = (r: Rollout) => r.status.endedAt !== undefined,
): Promise<Rollout> {
  for await (const rollout of server.client.watch('Rollout', name)) if (until(rollout)) return rollout
  throw new Error('the watch ended')
}
const statesOf = ({ status }: Rollout) => Object.values(status.nodes).map(({ state }) => state)

describe('a rollout', () => {
  test('goes to the canary first, to the others when that has confirmed, and then the fleet runs it', async () => {
    const { metadata } = await start()
    const [canaryNode, ...others] = nodes
    await server.idle()
    for (const node of others) expect(await node.next(0)).toBeUndefined()
    await Promise.all(nodes.map((node) => node.obey()))
    const rollout = await settled(metadata.name)
    expect(rollout.metadata.name).toBe('plants-1')
    expect(rollout.status).toMatchObject({ phase: 'succeeded', wave: 1, waves: 2 })
    expect(canaryNode.orders).toEqual([second])
    const fleet = await server.client.get('Fleet', 'plants')
    expect(fleet.status).toEqual({ release: second, previous: first })
  })

  test('wakes a node that waits for its order', async () => {
    const began = realSys.clock.monotonicMs()
    const waiting = nodes[0].next(60)
    await start()
    expect((await waiting)?.order.number).toBe(1)
    expect(realSys.clock.monotonicMs() - began).toBeLessThan(10_000)
  })

  test('gives orders that the director signed for that node’s key', async () => {
    await start()
    const [node] = nodes
    const answer = await node.next()
    if (answer === undefined) throw new Error('no order')
    const { spec } = await server.client.get('Node', node.name)
    const trust = { director: { threshold: 1, keys: [server.directorKey.publicKey] } }
    const verdict = judgeAssignment({
      envelope: answer.envelope,
      trust,
      parse: parseAssignment,
      node: { name: node.name, keyDigest: publicKeyDigest(spec.publicKey) },
      last: undefined,
      now: realSys.clock.now(),
    })
    expect(verdict).toMatchObject({
      is: 'verified',
      assignment: { release: second, repository: 'gateway', rollout: 'plants-1', order: answer.order },
    })
    expect(answer.envelope.payloadType).toBe(mediaType.assignment)
  })

  test('halts when the canary goes back, and nobody else is touched', async () => {
    const { metadata } = await start()
    await nodes[0].fail('went-back', unhealthy)
    const rollout = await settled(metadata.name)
    expect(rollout.status.phase).toBe('halted')
    expect(rollout.status.reason).toMatchObject({ code: 'health-check-failed' })
    expect(statesOf(rollout)).toEqual(['went-back', 'waiting', 'waiting'])
    for (const node of nodes.slice(1)) expect(await node.next(0)).toBeUndefined()
    expect((await server.client.get('Fleet', 'plants')).status).toEqual({})
  })

  test('takes back who had confirmed when a later one fails', async () => {
    const { metadata } = await start()
    await nodes[0].obey()
    await nodes[1].fail('went-back', unhealthy)
    await nodes[0].obey()
    await nodes[2].next()
    if (nodes[2].orders.at(-1) !== first) await nodes[2].next()
    nodes[2].running = first ?? nodes[2].running
    await nodes[2].report({ order: nodes[2].order, release: nodes[2].running, is: 'confirmed' })
    const rollout = await settled(metadata.name)
    expect(rollout.status.phase).toBe('halted')
    expect(statesOf(rollout)).toEqual(['reverted', 'went-back', 'reverted'])
    expect(nodes[0].orders).toEqual([second, first])
    expect(nodes[1].orders).toEqual([second])
  })

  test('goes on where it was when the server is restarted in the middle', async () => {
    const { metadata } = await start()
    await nodes[0].obey()
    await nodes[1].next()
    await server.restart()
    const { order, running: _before } = nodes[1]
    await nodes[1].report({ order, release: second ?? _before, is: 'confirmed' })
    await nodes[2].obey()
    expect((await settled(metadata.name)).status.phase).toBe('succeeded')
  })

  test('is seen to by a server that was down when the node reported to nobody', async () => {
    const { metadata } = await start()
    await server.restart()
    await Promise.all(nodes.map((node) => node.obey()))
    expect((await settled(metadata.name)).status.phase).toBe('succeeded')
  })

  test('reverts to what the fleet ran before, as an ordinary rollout', async () => {
    await start()
    await Promise.all(nodes.map((node) => node.obey()))
    await settled('plants-1')
    const revert = await server.client.startRollout({ fleet: 'plants', intent: 'revert' })
    expect(revert.spec).toMatchObject({ release: first, intent: 'revert' })
    await Promise.all(nodes.map((node) => node.obey()))
    expect((await settled('plants-2')).status.phase).toBe('succeeded')
    expect((await server.client.get('Fleet', 'plants')).status).toEqual({ release: first, previous: second })
  })

  test('is ended by an operator, and what it changed is taken back', async () => {
    await start()
    await nodes[0].obey()
    const halted = await server.client.haltRollout('plants-1')
    expect(halted.status).toMatchObject({ phase: 'halted', reason: { code: 'halted-by-operator' } })
    expect(await codeOf(server.client.haltRollout('plants-1'))).toBe('rollout-ended')
    await nodes[0].obey()
    expect(nodes[0].orders).toEqual([second, first])
  })

  test('takes in who joins the fleet meanwhile, in its last wave', async () => {
    await start()
    const late = await server.enrol('node-0', { site: 'plant' })
    await server.idle()
    expect(await late.next(0)).toBeUndefined()
    await Promise.all([...nodes, late].map((node) => node.obey()))
    expect(statesOf(await settled('plants-1'))).toHaveLength(4)
  })

  test('tells why a node runs what it runs', async () => {
    await start()
    await nodes[0].obey()
    const why = await server.client.why('node-1')
    expect(why.rollout?.metadata.name).toBe('plants-1')
    expect(why.assignment?.order).toEqual(nodes[0].order)
    expect(why.node.status.assigned?.release).toBe(second)
  })

  test('leaves a log that tells it all', async () => {
    await start()
    await nodes[0].fail('went-back', unhealthy)
    await settled('plants-1')
    const rows = (await server.client.log(0, 1_000)).filter(({ action }) =>
      /^(rollout|assignment)\./.test(action),
    )
    expect(rows.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      'admin rollout.start',
      'director assignment.give',
      'director rollout.running',
      'director rollout.halted',
    ])
    expect(rows[3]?.detail).toMatchObject({
      steps: expect.arrayContaining(['halt: node-1 went-back: check web failed']),
    })
  })
})

describe('a rollout is refused', () => {
  test('while another one of the fleet runs; two that start at once are one', async () => {
    const answers = await Promise.all([start(), start(third), start()].map(codeOf))
    expect(answers.toSorted()).toEqual(['no error', 'rollout-running', 'rollout-running'])
    expect(await codeOf(start(third))).toBe('rollout-running')
  })

  test('for a node that takes part in the rollout of another fleet', async () => {
    await start()
    await server.client.apply(fleetOf('others', { site: 'plant' }, canary))
    expect(await codeOf(server.client.startRollout({ fleet: 'others', release: third ?? '' }))).toBe(
      'node-busy',
    )
  })

  test('to what the registry does not hold, to a tag, of an unknown or an empty fleet, of another image', async () => {
    const of = (fleet: string, release?: string) =>
      codeOf(server.client.startRollout({ fleet, ...(release !== undefined && { release }) }))
    expect(await of('plants', digestFromHex('cd'.repeat(32)))).toBe('release-unknown')
    expect(await of('plants', 'gateway:1.1.0')).toBe('release-unknown')
    expect(await of('nowhere', second)).toBe('fleet-unknown')
    await server.client.apply(fleetOf('empty', { site: 'moon' }, canary))
    expect(await of('empty', second)).toBe('fleet-empty')
    const fleet = fleetOf('images', { site: 'plant' }, canary)
    await server.client.apply({ ...fleet, spec: { ...fleet.spec, image: 'camera' } })
    expect(await of('images', second)).toBe('release-of-other-image')
    expect(await codeOf(server.client.startRollout({ fleet: 'plants', intent: 'revert' }))).toBe(
      'nothing-to-revert',
    )
    expect(await of('plants')).toBe('release-missing')
  })

  test('what a rollout needs is not removed', async () => {
    await start()
    expect(await codeOf(server.client.remove('Fleet', 'plants'))).toBe('in-use')
    expect(await codeOf(server.client.remove('Rollout', 'plants-1'))).toBe('in-use')
    expect(await codeOf(server.client.remove('Release', `sha256.${second?.slice(7, 47)}`))).toBe('in-use')
  })
})

describe('time', () => {
  test('a node that stays silent has failed when its deadline passes', async () => {
    await server.close()
    const clock = new HeldClock()
    await open({ ...realSys, clock })
    await start()
    await server.idle()
    clock.advance(15 * 60_000 - 1)
    await server.idle()
    expect((await server.client.get('Rollout', 'plants-1')).status.phase).toBe('running')
    clock.advance(1)
    const rollout = await settled('plants-1')
    expect(rollout.status).toMatchObject({ phase: 'halted', reason: { code: 'deadline-passed' } })
  })
})

describe('releases', () => {
  test('a push registers the release under its digest, once', async () => {
    const releases = await server.client.list('Release')
    expect(releases.map(({ spec }) => [spec.digest, spec.version, spec.repository])).toEqual(
      expect.arrayContaining([[second, '1.1.0', 'gateway']]),
    )
    expect(releases).toHaveLength(3)
    const { metadata } = await server.client.get('Release', `sha256.${second?.slice(7, 47)}`)
    const rows = await server.client.log(0, 1_000)
    expect(rows.find(({ sequence }) => sequence === metadata.version)).toMatchObject({
      actor: 'admin',
      action: 'release.register',
    })
  })

  test('a node pulls', async () => {
    const [node] = nodes
    const repository = openRemoteRepository(realSys, {
      url: server.url,
      name: 'gateway',
      credential: ({ method, path }) => node.credential(method, path),
    })
    expect((await repository.manifest(second ?? ''))?.digest).toBe(second)
  })
})
