import type { NodeStatus } from '../api/index.ts'
import { AshlarError, canonicalJson } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { backoffMs } from './limits.ts'
import type { ServerLink } from './server-link.ts'

/**
 * Tells the server what the node is, when that changed, and goes on trying until it was heard. Nobody waits for it:
 * an update must not stand still because a report does.
 */
export class Reporter {
  readonly #sys: Sys
  readonly #link: ServerLink
  #wanted: NodeStatus | undefined
  #heard = ''
  #busy: Promise<void> | undefined

  constructor(sys: Sys, link: ServerLink) {
    this.#sys = sys
    this.#link = link
  }

  say(status: NodeStatus): void {
    this.#wanted = status
    this.#busy ??= this.#sendAll().finally(() => {
      this.#busy = undefined
    })
  }

  /** What was last said, to be said again with a change. */
  get last(): NodeStatus | undefined {
    return this.#wanted
  }

  /** Resolves when all is heard, or after `ms`. */
  async flushed(ms: number): Promise<void> {
    if (this.#busy !== undefined) await Promise.race([this.#busy, this.#sys.clock.sleep(ms)])
  }

  async #sendAll(): Promise<void> {
    for (let pauseMs: number = backoffMs.first; ; ) {
      const status = this.#wanted
      const text = canonicalJson(status)
      if (status === undefined || text === this.#heard) return
      try {
        await this.#link.report(status)
        this.#heard = text
        pauseMs = backoffMs.first
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error
        await this.#sys.clock.sleep(jittered(this.#sys, pauseMs))
        pauseMs = Math.min(pauseMs * 2, backoffMs.longest)
      }
    }
  }
}

/** Between half and all of a pause: nodes that lost the server together do not come back together. */
export function jittered(sys: Sys, ms: number): number {
  return ms / 2 + (((sys.random.bytes(1)[0] ?? 0) / 255) * ms) / 2
}
