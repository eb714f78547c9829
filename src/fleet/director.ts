import type { Fleet, Node, Rollout, RolloutRequest } from '../api/index.ts'
import { AshlarError, type Digest, durationMs, type Reason } from '../core/index.ts'
import type { Clock } from '../sys/index.ts'
import { FleetError } from './errors.ts'
import { takeBackBeginMs, writeTriesMax } from './limits.ts'
import { signedOrder } from './orders.ts'
import { planRollout } from './plan.ts'
import type { Change, FleetStore, GivenAssignment, SignAssignment } from './ports.ts'
import { newRollout, releaseName, wantedRelease } from './start.ts'
import { Draft, describeStep, type Step } from './steps.ts'

export interface DirectorParts {
  readonly store: FleetStore
  readonly clock: Pick<Clock, 'now'>
  readonly sign: SignAssignment
}

/** Starts rollouts and carries out what the planner says, each time as one compare-and-swap. */
export class Director {
  readonly #store: FleetStore
  readonly #clock: Pick<Clock, 'now'>
  readonly #sign: SignAssignment

  constructor(parts: DirectorParts) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#sign = parts.sign
  }

  /** @throws FleetError; then nothing was started */
  async start(request: RolloutRequest, actor: string): Promise<Rollout> {
    const intent = request.intent ?? 'update'
    return this.#retried(`starting a rollout of ${request.fleet}`, async () => {
      const asOf = await this.#store.sequence()
      const fleet = await this.#store.get('Fleet', request.fleet)
      if (fleet === undefined)
        throw new FleetError('fleet-unknown', `there is no fleet ${request.fleet}`, {
          hint: 'ashlar get fleets shows which there are',
        })
      const release = await this.#release(wantedRelease(fleet, intent, request.release))
      const [nodes, rollouts] = await Promise.all([this.#store.list('Node'), this.#store.list('Rollout')])
      const now = this.#clock.now()
      const rollout = newRollout({ fleet, release, intent, nodes, rollouts, now })
      const detail = { release: release.spec.digest, version: release.spec.version, intent }
      const change = { put: rollout, actor, action: 'rollout.start', detail }
      const [stored] = await this.#store.commit({ changes: [change], asOf })
      return stored?.kind === 'Rollout' ? stored : rollout
    })
  }

  /** Ends a running rollout for an operator: what it changed is taken back. @throws FleetError `rollout-unknown`, `rollout-ended` */
  async halt(name: string, actor: string): Promise<void> {
    const rollout = await this.#store.get('Rollout', name)
    if (rollout === undefined) throw new FleetError('rollout-unknown', `there is no rollout ${name}`)
    if (rollout.status.phase !== 'running')
      throw new FleetError('rollout-ended', `rollout ${name} has ${rollout.status.phase} already`)
    const stop = { code: 'halted-by-operator', message: `${actor} halted the rollout` }
    await this.advance(name, new Set(), { stop, actor })
  }

  /**
   * Plans a rollout from what these nodes report, carries the plan out, and gives the rollout with its fleet as they
   * then are; undefined where either is gone.
   */
  advance(
    name: string,
    nodes: ReadonlySet<string> | 'all',
    wish: { readonly stop?: Reason; readonly actor?: string } = {},
  ): Promise<{ readonly rollout: Rollout; readonly fleet: Fleet } | undefined> {
    return this.#retried(`advancing rollout ${name}`, async () => {
      const rollout = await this.#store.get('Rollout', name)
      const fleet = rollout && (await this.#store.get('Fleet', rollout.spec.fleet))
      if (rollout === undefined || fleet === undefined) return undefined
      const now = this.#clock.now()
      const looked = await this.#look(rollout, nodes)
      const stop = wish.stop === undefined ? {} : { stop: wish.stop }
      const steps = planRollout({ rollout, fleet, ...looked, ...stop, now })
      if (steps.length === 0) return { rollout, fleet }
      const status = await this.#carryOut(rollout, fleet, steps, now, wish.actor ?? 'director')
      return { rollout: { ...rollout, status }, fleet }
    })
  }

  async #look(rollout: Rollout, names: ReadonlySet<string> | 'all') {
    if (names === 'all') {
      const nodes = await this.#store.list('Node')
      const there = new Set(nodes.map((node) => node.metadata.name))
      return { nodes, gone: Object.keys(rollout.status.nodes).filter((name) => !there.has(name)) }
    }
    const nodes: Node[] = []
    const gone: string[] = []
    for (const name of names) {
      const node = await this.#store.get('Node', name)
      if (node === undefined) gone.push(name)
      else nodes.push(node)
    }
    return { nodes, gone }
  }

  async #carryOut(
    rollout: Rollout,
    fleet: Fleet,
    steps: readonly Step[],
    now: number,
    actor: string,
  ): Promise<Rollout['status']> {
    const draft = new Draft(rollout.status, now)
    const changes: Change[] = []
    const assignments: GivenAssignment[] = []
    for (const step of steps) {
      if (step.do !== 'assign' && step.do !== 'take-back') {
        draft.take(step)
        continue
      }
      const given = await this.#order(rollout, fleet, step, now)
      // A node that was removed a moment ago: its removal is an event of its own and makes it leave.
      if (given === undefined) continue
      draft.take(step, { order: given.assignment.order, ...given.previous })
      changes.push(given.change)
      assignments.push(given.assignment)
    }
    const { status } = draft
    const detail = { steps: steps.map(describeStep) }
    changes.push({ put: { ...rollout, status }, actor, action: `rollout.${status.phase}`, detail })
    if (status.phase === 'succeeded') changes.push(fleetAfter(fleet, rollout, status))
    await this.#store.commit({ changes, assignments })
    return status
  }

  async #order(rollout: Rollout, fleet: Fleet, step: Step & { do: 'assign' | 'take-back' }, now: number) {
    const node = await this.#store.get('Node', step.node)
    if (node === undefined) return undefined
    const last = await this.#store.lastAssignment(step.node)
    const { epoch } = this.#store
    const order = { epoch, number: last?.order.epoch === epoch ? last.order.number + 1 : 1 }
    const { release } = step
    const repository = await this.#repository(release, rollout)
    const beginMs = step.do === 'assign' ? durationMs(fleet.spec.rollout.deadline) : takeBackBeginMs
    const name = rollout.metadata.name
    const assigned = { order, release, repository, rollout: name }
    const previous = node.status.observed?.running.release ?? node.status.assigned?.release
    return {
      assignment: signedOrder({ node, order, release, repository, rollout: name, now, beginMs }, this.#sign),
      change: {
        put: { ...node, status: { ...node.status, assigned } },
        actor: 'director',
        action: step.do === 'assign' ? 'assignment.give' : 'assignment.take-back',
        detail: assigned,
      },
      previous: previous === undefined ? {} : { previous },
    }
  }

  async #release(digest: Digest) {
    const release = await this.#store.get('Release', releaseName(digest))
    if (release !== undefined) return release
    throw new FleetError('release-unknown', `the registry holds no release ${digest}`, {
      hint: 'push it first: ashlar push; ashlar get releases shows which there are',
    })
  }

  /** A node has what it ran before in its other slot; where the registry has it too, the order says where. */
  async #repository(release: Digest, rollout: Rollout): Promise<string> {
    const known = await this.#store.get('Release', releaseName(release))
    return known?.spec.repository ?? rollout.spec.repository
  }

  async #retried<Result>(what: string, attempt: () => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof AshlarError && error.code === 'conflict')) throw error
        if (tries >= writeTriesMax)
          throw new FleetError('contended', `${what} lost against other writers ${tries} times`, {
            cause: error,
          })
      }
    }
  }
}

/** A fleet runs a release once everyone has confirmed it; what it ran before is what a revert goes to. */
function fleetAfter(fleet: Fleet, rollout: Rollout, status: Rollout['status']): Change {
  const { release } = rollout.spec
  const before = fleet.status.release ?? mostCommonPrevious(status)
  const previous = before === release ? fleet.status.previous : before
  return {
    put: { ...fleet, status: { release, ...(previous !== undefined && { previous }) } },
    actor: 'director',
    action: 'fleet.runs',
    detail: { release, previous, rollout: rollout.metadata.name },
  }
}

/** What most of the nodes ran; of two that are as common, the one of the first node by name. */
function mostCommonPrevious(status: Rollout['status']): Digest | undefined {
  const counts = new Map<Digest, number>()
  for (const [, { previous }] of Object.entries(status.nodes).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (previous !== undefined) counts.set(previous, (counts.get(previous) ?? 0) + 1)
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0]
}
