import type { Sys } from '../sys/index.ts'

/**
 * Whether a process with this number runs; another user's counts, too. The number may come from a file that a power cut
 * left empty, or from a name that somebody else gave: none has such a number then (and 0 and -1 are whole groups of them).
 */
export function isAlive(sys: Sys, pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1 || pid > pidMax) return false
  try {
    return sys.exec.kill(pid, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPERM') return true
    throw error
  }
}

/** The kernel's own limit on 64 bits (proc(5), pid_max). */
const pidMax = 2 ** 22
