import type { Fleet, Node, NodeProgress, Order, Rollout } from '../api/index.ts'
import { durationMs, type Reason } from '../core/index.ts'
import { Draft, type Ending, type Step } from './steps.ts'
import { isMember } from './waves.ts'

export interface PlanInput {
  readonly rollout: Rollout
  readonly fleet: Fleet
  /** The nodes that may have changed. One that is not here is taken to be as the rollout last saw it. */
  readonly nodes: readonly Node[]
  /** Names of nodes that are no longer there. */
  readonly gone?: readonly string[]
  /** An operator's wish to end the rollout. */
  readonly stop?: Reason
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Says what a rollout does next: nothing is written, nobody is asked. The same input gives the same steps. */
export function planRollout(input: PlanInput): readonly Step[] {
  const draft = new Draft(input.rollout.status, input.now)
  switch (input.rollout.status.phase) {
    case 'running':
      planRunning(input, draft)
      break
    case 'halted':
      recordEndings(input, draft)
      takeBack(input, draft, ['failed'])
      close(input, draft)
      break
    case 'succeeded':
      break
  }
  return draft.steps
}

/** When a rollout must be looked at although nobody reported: the first deadline of a node that works on its order. */
export function nextDeadline(rollout: Rollout, fleet: Fleet): number | undefined {
  const times = Object.values(rollout.status.nodes).flatMap((progress) =>
    progress.state === 'assigned' ? [deadlineOf(progress, fleet)] : [],
  )
  return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b))
}

function planRunning(input: PlanInput, draft: Draft): void {
  recordMembers(input, draft)
  const failure = recordEndings(input, draft)
  const reason = failure ?? input.stop
  if (reason === undefined) {
    proceed(input, draft)
    return
  }
  draft.take({ do: 'halt', reason })
  // A node that is still at work is taken back too: its new order supersedes the one to the release that failed elsewhere.
  takeBack(input, draft, ['confirmed', 'assigned'])
  close(input, draft)
}

function recordMembers({ rollout, fleet, nodes, gone = [] }: PlanInput, draft: Draft): void {
  for (const name of gone) if (draft.nodes.has(name)) draft.take({ do: 'leave', node: name })
  for (const node of nodes.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const { name } = node.metadata
    const progress = draft.nodes.get(name)
    if (isMember(fleet, node)) {
      if (progress === undefined) draft.take({ do: 'join', node: name, wave: rollout.status.waves - 1 })
    } else if (progress?.state === 'waiting') draft.take({ do: 'leave', node: name })
  }
}

/** Records each order that has ended, and gives the first failure as the reason to halt. */
function recordEndings({ fleet, nodes, now }: PlanInput, draft: Draft): Reason | undefined {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]))
  let failure: Reason | undefined
  for (const [name, progress] of sorted(draft.nodes)) {
    const end = endingOf(progress, byName.get(name), fleet, now)
    if (end === undefined) continue
    draft.take({ do: 'end', node: name, ...end })
    if (end.reason !== undefined)
      failure ??= { ...end.reason, message: `${name} ${end.as}: ${end.reason.message}` }
  }
  return failure
}

type End =
  | { readonly as: 'confirmed' | 'reverted'; readonly reason?: never }
  | { readonly as: Exclude<Ending, 'confirmed' | 'reverted'>; readonly reason: Reason }

function endingOf(
  progress: NodeProgress,
  node: Node | undefined,
  fleet: Fleet,
  now: number,
): End | undefined {
  const { order, state } = progress
  if (order === undefined) return undefined
  // A node that answered after its deadline still counts as failed, but what it runs now is to be taken back.
  if (state !== 'assigned' && state !== 'reverting') return undefined
  const outcome = node?.status.observed?.outcome
  if (outcome !== undefined && sameOrder(outcome.order, order)) {
    if (outcome.is === 'confirmed') return { as: state === 'reverting' ? 'reverted' : 'confirmed' }
    const reason = outcome.reason ?? { code: 'no-reason', message: 'the node gave no reason' }
    return { as: state === 'reverting' ? 'failed' : outcome.is, reason }
  }
  const assigned = node?.status.assigned
  if (assigned !== undefined && isNewer(assigned.order, order))
    return {
      as: 'failed',
      reason: { code: 'order-superseded', message: 'it was given another order meanwhile' },
    }
  if (state === 'assigned' && now >= deadlineOf(progress, fleet))
    return {
      as: 'failed',
      reason: {
        code: 'deadline-passed',
        message: `it did not end its order within ${fleet.spec.rollout.deadline}`,
      },
    }
  return undefined
}

/** Goes on to the next wave when everyone in this one has confirmed, and orders whoever waits in the wave. */
function proceed({ rollout }: PlanInput, draft: Draft): void {
  const nodes = sorted(draft.nodes)
  for (;;) {
    const reached = nodes.filter(([, progress]) => progress.wave <= draft.wave)
    for (const [name, progress] of reached)
      if (progress.state === 'waiting')
        draft.take({ do: 'assign', node: name, release: rollout.spec.release, wave: progress.wave })
    if (reached.some(([name]) => draft.nodes.get(name)?.state !== 'confirmed')) return
    if (draft.wave + 1 >= rollout.status.waves) {
      draft.take({ do: 'succeed' })
      return
    }
    draft.take({ do: 'advance', wave: draft.wave + 1 })
  }
}

function takeBack(
  { rollout, nodes }: PlanInput,
  draft: Draft,
  states: readonly NodeProgress['state'][],
): void {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]))
  for (const [name, progress] of sorted(draft.nodes)) {
    const { previous, state } = progress
    if (!states.includes(state) || previous === undefined || previous === rollout.spec.release) continue
    if (state === 'failed' && !confirmedLate(progress, byName.get(name))) continue
    draft.take({ do: 'take-back', node: name, release: previous })
  }
}

/** Whether a node that had counted as failed runs the release after all, and nobody has ordered it elsewhere. */
function confirmedLate(progress: NodeProgress, node: Node | undefined): boolean {
  const outcome = node?.status.observed?.outcome
  const assigned = node?.status.assigned
  return (
    progress.order !== undefined &&
    progress.reason?.code === 'deadline-passed' &&
    outcome?.is === 'confirmed' &&
    sameOrder(outcome.order, progress.order) &&
    assigned !== undefined &&
    sameOrder(assigned.order, progress.order)
  )
}

function close({ rollout }: PlanInput, draft: Draft): void {
  if (rollout.status.endedAt !== undefined) return
  const open = [...draft.nodes.values()].some((p) => p.state === 'assigned' || p.state === 'reverting')
  if (!open) draft.take({ do: 'close' })
}

function deadlineOf(progress: NodeProgress, fleet: Fleet): number {
  return (progress.assignedAt ?? 0) + durationMs(fleet.spec.rollout.deadline)
}

function sorted(nodes: ReadonlyMap<string, NodeProgress>): readonly (readonly [string, NodeProgress])[] {
  return [...nodes].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

export function sameOrder(a: Order, b: Order): boolean {
  return a.epoch === b.epoch && a.number === b.number
}

/** A higher epoch wins, then a higher number. */
export function isNewer(a: Order, than: Order): boolean {
  return a.epoch > than.epoch || (a.epoch === than.epoch && a.number > than.number)
}
