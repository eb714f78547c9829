import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Fleet, Node, NodeStatus, Outcome, Rollout } from '../api/index.ts'
import { type Digest, digestFromHex } from '../core/index.ts'
import { nextDeadline, planRollout } from './plan.ts'
import { newRollout } from './start.ts'
import { Draft, describeStep, type Step } from './steps.ts'
import { waveEnds } from './waves.ts'

const before = digestFromHex('aa'.repeat(32))
const wanted = digestFromHex('bb'.repeat(32))
const minute = 60_000
const start = 1_700_000_000_000

function fleetWith(waves: Fleet['spec']['rollout']['waves']): Fleet {
  return {
    apiVersion: 'ashlar/v1',
    kind: 'Fleet',
    metadata: { name: 'plants', labels: {} },
    spec: {
      nodes: { matchLabels: { site: 'plant' } },
      image: 'gateway',
      rollout: { waves, deadline: '15m' },
    },
    status: {},
  }
}

function node(name: string, status: Node['status'] = {}, site = 'plant'): Node {
  const metadata = { name, labels: { site } }
  return { apiVersion: 'ashlar/v1', kind: 'Node', metadata, spec: { publicKey: '' }, status }
}

function observed(running: Digest, outcome?: Outcome): NodeStatus {
  return {
    agentVersion: '0',
    bootId: 'b',
    running: { slot: 'a', release: running, root: running, measuredBy: 'launcher', confirmed: true },
    slots: { a: { is: 'good', release: running }, b: { is: 'empty' } },
    floor: 0,
    ...(outcome !== undefined && { outcome }),
    warnings: [],
  }
}

/** A fleet under a rollout, in which nodes answer when they are told to. Carries out plans as the director does. */
class World {
  readonly fleet: Fleet
  readonly nodes = new Map<string, Node>()
  rollout: Rollout
  now = start
  #number = 0

  constructor(names: readonly string[], waves: Fleet['spec']['rollout']['waves']) {
    this.fleet = fleetWith(waves)
    for (const name of names) this.nodes.set(name, node(name, { observed: observed(before) }))
    this.rollout = newRollout({
      fleet: this.fleet,
      release: {
        apiVersion: 'ashlar/v1',
        kind: 'Release',
        metadata: { name: 'r', labels: {} },
        spec: {
          digest: wanted,
          repository: 'gateway',
          image: 'gateway',
          version: '1.1.0',
          counter: 2,
          floor: 0,
        },
      },
      intent: 'update',
      nodes: [...this.nodes.values()],
      rollouts: [],
      now: start,
    })
  }

  /** Plans for the nodes that are named, carries the plan out, and says it. */
  plan(
    names: readonly string[] = [...this.nodes.keys()],
    more: { readonly stop?: { code: string; message: string } } = {},
  ): string[] {
    return this.steps(names, more).map(describeStep)
  }

  steps(
    names: readonly string[],
    more: { readonly stop?: { code: string; message: string } } = {},
  ): readonly Step[] {
    const { rollout, fleet, now } = this
    const nodes = names.flatMap((name) => this.nodes.get(name) ?? [])
    const gone = names.filter((name) => !this.nodes.has(name))
    const steps = planRollout({ rollout, fleet, nodes, gone, now, ...more })
    const draft = new Draft(rollout.status, now)
    for (const step of steps) {
      if (step.do === 'assign' || step.do === 'take-back') {
        const order = { epoch: 1, number: ++this.#number }
        const target = this.of(step.node)
        const assigned = {
          order,
          release: step.release,
          repository: 'gateway',
          rollout: rollout.metadata.name,
        }
        const previous = target.status.observed?.running.release
        draft.take(step, { order, ...(previous !== undefined && { previous }) })
        this.nodes.set(step.node, { ...target, status: { ...target.status, assigned } })
      } else draft.take(step)
    }
    this.rollout = { ...rollout, status: draft.status }
    return steps
  }

  of(name: string): Node {
    const found = this.nodes.get(name)
    if (found === undefined) throw new Error(`no node ${name}`)
    return found
  }

  /** The node ends the order that it has. */
  answer(name: string, is: Outcome['is'], why = 'check web failed'): void {
    const target = this.of(name)
    const { assigned } = target.status
    if (assigned === undefined) throw new Error(`${name} has no order`)
    const { order, release } = assigned
    const reason = { code: 'health-check-failed', message: why }
    const outcome: Outcome = { order, release, is, ...(is !== 'confirmed' && { reason }) }
    const running = is === 'confirmed' ? release : (target.status.observed?.running.release ?? before)
    this.nodes.set(name, { ...target, status: { ...target.status, observed: observed(running, outcome) } })
  }

  state(name: string): string | undefined {
    return this.rollout.status.nodes[name]?.state
  }
}

const three = ['node-1', 'node-2', 'node-3']
const canary = [{ count: 1 }, { percent: 100 }]

describe('waves', () => {
  test.each([
    [[{ count: 1 }, { percent: 100 }], 3, [1, 3], 'a canary, then the rest'],
    [
      [{ count: 1 }, { percent: 10 }, { percent: 100 }],
      3,
      [1, 3],
      'a wave that reaches nobody new is left out',
    ],
    [
      [{ count: 1 }, { percent: 10 }, { percent: 100 }],
      50,
      [1, 5, 50],
      'percentages include the waves before',
    ],
    [[{ percent: 10 }, { percent: 100 }], 19, [1, 19], 'a percentage is rounded down'],
    [[{ percent: 1 }, { percent: 100 }], 3, [1, 3], 'but is one node at least'],
    [[{ count: 2 }], 5, [5], 'the last wave is everything'],
    [[{ count: 9 }, { count: 12 }], 5, [5], 'a count larger than the fleet'],
    [[{ percent: 50 }, { count: 1 }, { percent: 100 }], 4, [2, 4], 'a wave smaller than the one before'],
    [[{ count: 1 }], 0, [], 'nobody'],
  ] as readonly [Fleet['spec']['rollout']['waves'], number, number[], string][])(
    '%j of %i nodes end at %j: %s',
    (waves, total, ends) => {
      expect(waveEnds(waves, total)).toEqual(ends)
    },
  )
})

describe('plans', () => {
  test('the canary first, the rest when it has confirmed, then the end', () => {
    const world = new World(three, canary)
    expect(world.plan()).toEqual(['assign bbbbbbbbbbbb to node-1 in wave 1'])
    expect(world.plan()).toEqual([])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toEqual([
      'node-1 confirmed',
      'advance to wave 2',
      'assign bbbbbbbbbbbb to node-2 in wave 2',
      'assign bbbbbbbbbbbb to node-3 in wave 2',
    ])
    world.answer('node-3', 'confirmed')
    expect(world.plan(['node-3'])).toEqual(['node-3 confirmed'])
    world.answer('node-2', 'confirmed')
    expect(world.plan(['node-2'])).toEqual(['node-2 confirmed', 'succeed'])
    expect(world.plan()).toEqual([])
    expect(world.rollout.status).toMatchObject({ phase: 'succeeded', wave: 1, endedAt: start })
  })

  test('a canary that goes back halts the rollout, and nobody else is touched', () => {
    const world = new World(three, canary)
    world.plan()
    world.answer('node-1', 'went-back')
    expect(world.plan(['node-1'])).toEqual([
      'node-1 went-back: check web failed',
      'halt: node-1 went-back: check web failed',
      'close',
    ])
    expect(world.state('node-2')).toBe('waiting')
    expect(world.rollout.status.reason?.code).toBe('health-check-failed')
    expect(world.plan()).toEqual([])
  })

  test.each(['refused', 'failed'] as const)('a canary that %s halts the rollout as well', (is) => {
    const world = new World(three, canary)
    world.plan()
    world.answer('node-1', is)
    expect(world.plan()).toContain(`halt: node-1 ${is}: check web failed`)
  })

  test('a later failure takes back who had confirmed and who is still at work', () => {
    const world = new World(three, canary)
    world.plan()
    world.answer('node-1', 'confirmed')
    world.plan()
    world.answer('node-2', 'went-back')
    expect(world.plan(['node-2'])).toEqual([
      'node-2 went-back: check web failed',
      'halt: node-2 went-back: check web failed',
      'take node-1 back to aaaaaaaaaaaa',
      'take node-3 back to aaaaaaaaaaaa',
    ])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toEqual(['node-1 reverted'])
    world.answer('node-3', 'failed', 'disk full')
    expect(world.plan(['node-3'])).toEqual(['node-3 failed: disk full', 'close'])
    expect(world.rollout.status.endedAt).toBe(start)
  })

  test('a node that does not answer fails when its deadline has passed, not before', () => {
    const world = new World(three, canary)
    world.plan()
    expect(nextDeadline(world.rollout, world.fleet)).toBe(start + 15 * minute)
    world.now = start + 15 * minute - 1
    expect(world.plan([])).toEqual([])
    world.now++
    expect(world.plan([])).toEqual([
      'node-1 failed: it did not end its order within 15m',
      'halt: node-1 failed: it did not end its order within 15m',
      'close',
    ])
    expect(nextDeadline(world.rollout, world.fleet)).toBeUndefined()
  })

  test('a node that confirms after its deadline is taken back all the same', () => {
    const world = new World(three, canary)
    world.plan()
    world.now = start + 15 * minute
    world.plan([])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toEqual(['take node-1 back to aaaaaaaaaaaa'])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toEqual(['node-1 reverted'])
    expect(world.plan(['node-1'])).toEqual([])
  })

  test('a late answer counts when it comes together with the deadline', () => {
    const world = new World(['node-1'], canary)
    world.plan()
    world.now = start + 15 * minute
    world.answer('node-1', 'confirmed')
    expect(world.plan()).toEqual(['node-1 confirmed', 'succeed'])
  })

  test('who joins the fleet meanwhile is in the last wave', () => {
    const world = new World(three, canary)
    world.plan()
    world.nodes.set('node-0', node('node-0'))
    world.nodes.set('stranger', node('stranger', {}, 'office'))
    expect(world.plan(['node-0', 'stranger'])).toEqual(['node-0 joins wave 2'])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toContain('assign bbbbbbbbbbbb to node-0 in wave 2')
    world.nodes.set('node-9', node('node-9'))
    expect(world.plan(['node-9'])).toEqual(['node-9 joins wave 2', 'assign bbbbbbbbbbbb to node-9 in wave 2'])
  })

  test('who is removed or relabelled before its turn leaves', () => {
    const world = new World(three, canary)
    world.plan()
    world.nodes.delete('node-2')
    world.nodes.set('node-3', node('node-3', {}, 'office'))
    expect(world.plan(['node-2', 'node-3'])).toEqual(['node-2 leaves', 'node-3 leaves'])
    world.answer('node-1', 'confirmed')
    expect(world.plan(['node-1'])).toEqual(['node-1 confirmed', 'advance to wave 2', 'succeed'])
  })

  test('a node with a newer order than ours has failed ours', () => {
    const world = new World(three, canary)
    world.plan()
    const target = world.of('node-1')
    const assigned = { order: { epoch: 1, number: 99 }, release: before, repository: 'gateway' }
    world.nodes.set('node-1', { ...target, status: { ...target.status, assigned } })
    expect(world.plan()).toContain('halt: node-1 failed: it was given another order meanwhile')
  })

  test('an operator may halt: what has moved is taken back', () => {
    const world = new World(three, canary)
    world.plan()
    world.answer('node-1', 'confirmed')
    world.plan()
    const stop = { code: 'halted-by-operator', message: 'admin halted the rollout' }
    expect(world.plan([], { stop })).toEqual([
      'halt: admin halted the rollout',
      'take node-1 back to aaaaaaaaaaaa',
      'take node-2 back to aaaaaaaaaaaa',
      'take node-3 back to aaaaaaaaaaaa',
    ])
  })

  test('a node that ran the release already, or of which nothing is known, is not taken back', () => {
    const world = new World(['node-1', 'node-2', 'node-3'], [{ count: 2 }, { percent: 100 }])
    world.nodes.set('node-1', node('node-1', { observed: observed(wanted) }))
    world.nodes.set('node-2', node('node-2'))
    world.plan()
    world.answer('node-1', 'confirmed')
    world.answer('node-2', 'confirmed')
    world.plan()
    world.answer('node-3', 'went-back')
    expect(world.plan()).toEqual([
      'node-3 went-back: check web failed',
      'halt: node-3 went-back: check web failed',
      'close',
    ])
  })
})

describe('whatever the nodes do', () => {
  const wave = fc.oneof(
    fc.record({ count: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
  )
  const run = fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    waves: fc.array(wave, { minLength: 1, maxLength: 4 }),
    /** For each node how its first order ends; silence is ended by the deadline. */
    ends: fc.array(fc.constantFrom('confirmed', 'confirmed', 'confirmed', 'went-back', 'failed', 'silent'), {
      minLength: 12,
      maxLength: 12,
    }),
    picks: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
  })
  type Run = typeof run extends fc.Arbitrary<infer R> ? R : never

  function play(
    { size, waves, ends, picks }: Run,
    check: (world: World, steps: readonly Step[]) => void,
  ): World {
    const names = Array.from({ length: size }, (_, n) => `node-${String(n).padStart(2, '0')}`)
    const world = new World(names, waves)
    check(world, world.steps(names))
    for (const pick of picks) {
      const open = names.filter((name) => /^(assigned|reverting)$/.test(world.state(name) ?? ''))
      if (open.length === 0) break
      const name = open[pick % open.length] ?? ''
      const end = world.state(name) === 'reverting' ? 'confirmed' : ends[names.indexOf(name)]
      if (end === 'silent') world.now += 15 * minute
      else world.answer(name, (end ?? 'confirmed') as Outcome['is'])
      check(world, world.steps([name]))
    }
    return world
  }

  test('no more nodes are under way than the wave allows, and after a halt nothing is assigned', () => {
    fc.assert(
      fc.property(run, (input) => {
        const limits = waveEnds(input.waves, input.size)
        play(input, (world, steps) => {
          const { nodes, wave: current, phase } = world.rollout.status
          const touched = Object.values(nodes).filter(({ state }) => state !== 'waiting')
          expect(touched.length).toBeLessThanOrEqual(limits[current] ?? 0)
          if (phase === 'halted') {
            const halt = steps.findIndex((step) => step.do === 'halt')
            expect(steps.slice(halt + 1).filter((step) => step.do === 'assign')).toEqual([])
          }
        })
      }),
    )
  })

  test('a rollout ends when its nodes have answered, and everyone runs one release or the other as it says', () => {
    fc.assert(
      fc.property(run, (input) => {
        const world = play(input, () => undefined)
        const { status } = world.rollout
        expect(status.endedAt).toBeDefined()
        for (const [name, { state }] of Object.entries(status.nodes)) {
          const running = world.of(name).status.observed?.running.release
          if (status.phase === 'succeeded') expect([state, running]).toEqual(['confirmed', wanted])
          else expect(running, `${name} ${state}`).toBe(before)
        }
      }),
    )
  })

  test('the order in which answers come changes nothing in the end where all confirm', () => {
    fc.assert(
      fc.property(run, (input) => {
        const world = play({ ...input, ends: input.ends.map(() => 'confirmed') }, () => undefined)
        expect(world.rollout.status.phase).toBe('succeeded')
      }),
    )
  })

  test('a plan that was carried out leaves nothing to do', () => {
    fc.assert(
      fc.property(run, (input) => {
        play(input, (world) => expect(world.plan()).toEqual([]))
      }),
    )
  })
})
