import type { NodeProgress, Order, Rollout } from '../api/index.ts'
import { type Digest, type Reason, shortDigest, unreachable } from '../core/index.ts'

/** What a rollout does next. Steps are data: the planner makes them, the director carries them out in order. */
export type Step =
  /** A node that came to the fleet after the rollout began. */
  | { readonly do: 'join'; readonly node: string; readonly wave: number }
  /** A node that is no longer the fleet's, or no longer there. */
  | { readonly do: 'leave'; readonly node: string }
  /** A node's order has ended. */
  | { readonly do: 'end'; readonly node: string; readonly as: Ending; readonly reason?: Reason }
  | { readonly do: 'assign'; readonly node: string; readonly release: Digest; readonly wave: number }
  | { readonly do: 'advance'; readonly wave: number }
  | { readonly do: 'halt'; readonly reason: Reason }
  /** Orders a node back to what it ran before. */
  | { readonly do: 'take-back'; readonly node: string; readonly release: Digest }
  | { readonly do: 'succeed' }
  /** A halted rollout whose last node has answered. */
  | { readonly do: 'close' }

export type Ending = 'confirmed' | 'went-back' | 'refused' | 'failed' | 'reverted'
export type Status = Rollout['status']

/** What an order to a node carries beside the step. */
export interface Given {
  readonly order: Order
  /** What the node ran when it was ordered to move. */
  readonly previous?: Digest
}

/** A rollout's status while steps are taken. It is a copy of its own: the status that it was made of stays as it is. */
export class Draft {
  readonly nodes: Map<string, NodeProgress>
  readonly steps: Step[] = []
  #status: Status
  readonly #now: number

  constructor(status: Status, now: number) {
    this.#status = status
    this.#now = now
    this.nodes = new Map(Object.entries(status.nodes))
  }

  get status(): Status {
    return { ...this.#status, nodes: Object.fromEntries(this.nodes) }
  }

  get wave(): number {
    return this.#status.wave
  }

  /** `given` is known to the director alone; the planner asks only for the state. */
  take(step: Step, given?: Given): void {
    this.steps.push(step)
    switch (step.do) {
      case 'join':
        this.nodes.set(step.node, { wave: step.wave, state: 'waiting' })
        return
      case 'leave':
        this.nodes.delete(step.node)
        return
      case 'end':
        this.#change(step.node, {
          state: step.as,
          ...(step.reason !== undefined && { reason: wireReason(step.reason) }),
        })
        return
      case 'assign':
        this.#change(step.node, { state: 'assigned', assignedAt: this.#now, ...given })
        return
      case 'take-back':
        this.#change(step.node, {
          state: 'reverting',
          assignedAt: this.#now,
          ...(given !== undefined && { order: given.order }),
        })
        return
      case 'advance':
        this.#status = { ...this.#status, wave: step.wave }
        return
      case 'halt':
        this.#status = { ...this.#status, phase: 'halted', reason: wireReason(step.reason) }
        return
      case 'succeed':
        this.#status = { ...this.#status, phase: 'succeeded', endedAt: this.#now }
        return
      case 'close':
        this.#status = { ...this.#status, endedAt: this.#now }
        return
      default:
        unreachable(step)
    }
  }

  #change(node: string, change: Partial<NodeProgress>): void {
    const progress = this.nodes.get(node)
    if (progress === undefined) throw new Error(`a step names ${node}, which is not in the rollout`)
    this.nodes.set(node, { ...progress, ...change })
  }
}

/** The step as a sentence: what a person reads in a plan and in the log. */
export function describeStep(step: Step): string {
  switch (step.do) {
    case 'join':
      return `${step.node} joins wave ${step.wave + 1}`
    case 'leave':
      return `${step.node} leaves`
    case 'end':
      return `${step.node} ${step.as}${step.reason === undefined ? '' : `: ${step.reason.message}`}`
    case 'assign':
      return `assign ${shortDigest(step.release)} to ${step.node} in wave ${step.wave + 1}`
    case 'advance':
      return `advance to wave ${step.wave + 1}`
    case 'halt':
      return `halt: ${step.reason.message}`
    case 'take-back':
      return `take ${step.node} back to ${shortDigest(step.release)}`
    case 'succeed':
      return 'succeed'
    case 'close':
      return 'close'
    default:
      return unreachable(step)
  }
}

type WireReason = NonNullable<NodeProgress['reason']>

/** A reason as the wire types hold it: the same fields, absent instead of undefined. */
function wireReason(reason: Reason): WireReason {
  return {
    code: reason.code,
    message: reason.message,
    ...(reason.check !== undefined && { check: reason.check }),
    ...(reason.exitCode !== undefined && { exitCode: reason.exitCode }),
    ...(reason.lastLines !== undefined && { lastLines: [...reason.lastLines] }),
  }
}
