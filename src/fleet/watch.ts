import type { Fleet, Node, Rollout } from '../api/index.ts'
import type { Clock } from '../sys/index.ts'
import type { Director } from './director.ts'
import { retryMs, timerMsMax } from './limits.ts'
import { nextDeadline } from './plan.ts'
import type { Changed, FleetStore } from './ports.ts'
import { isMember } from './waves.ts'

export interface WatchParts {
  readonly director: Director
  readonly store: FleetStore
  readonly clock: Clock
  /** Is told what went wrong; the rollout is tried again later. */
  readonly onError: (error: unknown) => void
}

export interface Watch {
  /** Resolves when nothing is left to do until the next event. */
  idle(): Promise<void>
  /** Stops after the rollout that is being worked on. */
  close(): Promise<void>
}

/**
 * Keeps rollouts going: looks again at a rollout when one of its nodes changed or its next deadline passed, and only at the
 * nodes that changed. Reports that come while it works are taken together.
 */
export async function watchRollouts(parts: WatchParts): Promise<Watch> {
  const watch = new RolloutWatch(parts)
  await watch.resume()
  return watch
}

class RolloutWatch implements Watch {
  readonly #parts: WatchParts
  /** Rollouts whose nodes matter: those that have not ended, and a fleet's last halted one (a node may still confirm late). */
  readonly #tracked = new Map<string, { readonly fleet: string; readonly ended: boolean }>()
  readonly #fleets = new Map<string, Fleet>()
  readonly #dirty = new Map<string, Set<string> | 'all'>()
  readonly #wakeAt = new Map<string, number>()
  readonly #stop: () => void
  #timer = new AbortController()
  #work: Promise<void> | undefined
  #closed = false

  constructor(parts: WatchParts) {
    this.#parts = parts
    this.#stop = parts.store.onCommit((changed) => {
      for (const change of changed) this.#notice(change)
      this.#wake()
    })
  }

  /** After a start everything may have changed. */
  async resume(): Promise<void> {
    for (const fleet of await this.#parts.store.list('Fleet')) this.#fleets.set(fleet.metadata.name, fleet)
    const rollouts = await this.#parts.store.list('Rollout')
    for (const rollout of rollouts.toSorted((a, b) => startOf(a) - startOf(b))) this.#track(rollout)
    for (const name of this.#tracked.keys()) this.#dirty.set(name, 'all')
    this.#wake()
  }

  async idle(): Promise<void> {
    while (this.#work !== undefined) await this.#work
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stop()
    this.#timer.abort()
    await this.idle()
  }

  #notice({ kind, name, resource }: Changed): void {
    if (kind === 'Fleet') {
      if (resource?.kind === 'Fleet') this.#fleets.set(name, resource)
      else this.#fleets.delete(name)
      for (const [rollout, { fleet }] of this.#tracked) if (fleet === name) this.#dirty.set(rollout, 'all')
    } else if (kind === 'Rollout') {
      if (resource?.kind === 'Rollout') this.#track(resource)
      else this.#forget(name)
    } else if (kind === 'Node') {
      const node = resource?.kind === 'Node' ? resource : undefined
      for (const [rollout, { fleet }] of this.#tracked)
        if (node === undefined || this.#concerns(node, rollout, fleet)) this.#mark(rollout, name)
    }
  }

  #concerns(node: Node, rollout: string, fleetName: string): boolean {
    const fleet = this.#fleets.get(fleetName)
    return node.status.assigned?.rollout === rollout || (fleet !== undefined && isMember(fleet, node))
  }

  #track(rollout: Rollout): void {
    const { name } = rollout.metadata
    const { phase, endedAt } = rollout.status
    if (phase === 'succeeded') {
      this.#forget(name)
      return
    }
    if (!this.#tracked.has(name)) {
      for (const [other, { fleet, ended }] of this.#tracked)
        if (ended && fleet === rollout.spec.fleet) this.#forget(other)
      this.#dirty.set(name, new Set())
    }
    this.#tracked.set(name, { fleet: rollout.spec.fleet, ended: endedAt !== undefined })
  }

  #forget(rollout: string): void {
    this.#tracked.delete(rollout)
    this.#dirty.delete(rollout)
    this.#wakeAt.delete(rollout)
  }

  #mark(rollout: string, node: string): void {
    const names = this.#dirty.get(rollout) ?? new Set()
    if (names !== 'all') this.#dirty.set(rollout, names.add(node))
  }

  #wake(): void {
    if (this.#work !== undefined || this.#closed) return
    this.#work = this.#run().finally(() => {
      this.#work = undefined
      if (this.#dirty.size > 0) this.#wake()
    })
  }

  async #run(): Promise<void> {
    // Whoever committed goes on first; what it does next in the same turn is taken together.
    await Promise.resolve()
    for (;;) {
      const [next] = this.#dirty
      if (next === undefined || this.#closed) break
      this.#dirty.delete(next[0])
      await this.#look(...next)
    }
    this.#arm()
  }

  async #look(name: string, nodes: Set<string> | 'all'): Promise<void> {
    const { director, clock, onError } = this.#parts
    try {
      const now = await director.advance(name, nodes)
      const deadline = now && nextDeadline(now.rollout, now.fleet)
      if (deadline === undefined) this.#wakeAt.delete(name)
      else this.#wakeAt.set(name, deadline)
    } catch (error) {
      onError(error)
      this.#wakeAt.set(name, clock.now() + retryMs)
    }
  }

  /** One timer for the earliest time at which a rollout must be looked at. */
  #arm(): void {
    this.#timer.abort()
    this.#timer = new AbortController()
    if (this.#closed || this.#wakeAt.size === 0) return
    const { clock } = this.#parts
    const waitMs = Math.min(...this.#wakeAt.values()) - clock.now()
    const { signal } = this.#timer
    clock.sleep(Math.min(Math.max(waitMs, 0), timerMsMax), signal).then(
      () => this.#expire(),
      () => undefined,
    )
  }

  #expire(): void {
    const now = this.#parts.clock.now()
    for (const [rollout, at] of this.#wakeAt) if (at <= now) this.#dirty.set(rollout, 'all')
    this.#wake()
  }
}

function startOf(rollout: Rollout): number {
  return rollout.status.startedAt ?? 0
}
