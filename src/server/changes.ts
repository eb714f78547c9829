import type { Kind } from '../api/index.ts'
import type { Store } from '../store/index.ts'
import type { Clock } from '../sys/index.ts'

/** Lets requests wait until a resource changes. */
export interface Changes {
  /**
   * What `read` gives, as soon as it gives something: at once, or after a write of the resource. Undefined when the time
   * is over or the server ends.
   */
  next<Found>(
    resource: { readonly kind: Kind; readonly name: string },
    read: () => Promise<Found | undefined>,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Found | undefined>
}

export function watchChanges(store: Store, clock: Clock): Changes {
  const waiting = new Map<string, Set<() => void>>()
  store.onCommit((changed) => {
    for (const { kind, name } of changed) for (const wake of waiting.get(`${kind}/${name}`) ?? []) wake()
  })
  return {
    async next({ kind, name }, read, waitMs, signal) {
      const key = `${kind}/${name}`
      const end = new AbortController()
      const over = clock.sleep(waitMs, AbortSignal.any([signal, end.signal])).then(ended, ended)
      let change: Change | undefined
      try {
        for (;;) {
          // Listening begins before the reading: a write between the two would be missed.
          change = listen(waiting, key)
          const found = await read()
          if (found !== undefined || signal.aborted) return found
          if ((await Promise.race([change.happened, over])) === 'over') return undefined
          change.stop()
        }
      } finally {
        change?.stop()
        end.abort()
      }
    },
  }
}

const ended = () => 'over' as const

interface Change {
  readonly happened: Promise<'changed'>
  stop(): void
}

function listen(waiting: Map<string, Set<() => void>>, key: string): Change {
  const { promise, resolve } = Promise.withResolvers<'changed'>()
  const wake = () => resolve('changed')
  const wakes = waiting.get(key) ?? new Set()
  waiting.set(key, wakes.add(wake))
  return {
    happened: promise,
    stop() {
      wakes.delete(wake)
      if (wakes.size === 0 && waiting.get(key) === wakes) waiting.delete(key)
    },
  }
}
