import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { realDisk } from './durable.ts'
import { realNet } from './network.ts'
import { realExec } from './processes.ts'
import type { Sys } from './sys.ts'

/** The world as it is. Only the composition roots take it; everything else is handed a {@link Sys}. */
export const realSys: Sys = {
  clock: {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
  },
  random: { bytes: (count) => randomBytes(count) },
  disk: realDisk,
  exec: realExec,
  net: realNet,
}
