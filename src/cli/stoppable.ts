import type { Sys } from '../sys/index.ts'

/**
 * The world for a long command that keeps nothing but what is whole: once `signal` aborts, its program is killed, no
 * other is started and no file is opened, so that the command fails with the signal's reason and clears away behind
 * itself. Killed, not asked: what runs in a chamber is deaf to SIGTERM, and leaves nothing that is not thrown away.
 */
export function stoppable(sys: Sys, signal: AbortSignal): Sys {
  return {
    ...sys,
    clock: { ...sys.clock, sleep: (ms) => sys.clock.sleep(ms, signal) },
    exec: {
      ...sys.exec,
      run: async (program, args, options = {}) => {
        signal.throwIfAborted()
        return await sys.exec.run(program, args, { ...options, signal, abortSignal: 'SIGKILL' })
      },
    },
    disk: {
      ...sys.disk,
      open: async (path, flags, mode) => {
        signal.throwIfAborted()
        return await sys.disk.open(path, flags, mode)
      },
    },
  }
}
