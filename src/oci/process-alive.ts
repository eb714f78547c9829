import type { Sys } from '../sys/index.ts'

/** Whether a process with this number runs; another user's counts, too. */
export function isAlive(sys: Sys, pid: number): boolean {
  try {
    return sys.exec.kill(pid, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPERM') return true
    throw error
  }
}
