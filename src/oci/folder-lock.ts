import { join } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import { isNodeError } from './incoming-blob.ts'
import { lockPollMs, lockWaitMs } from './limits.ts'
import { isAlive } from './process-alive.ts'

/**
 * Runs `work` while no other process or caller that uses this lock changes the folder. A lock whose holder was killed
 * is taken over. @throws OciError `store-busy`
 */
export async function withFolderLock<T>(sys: Sys, folder: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, '.lock')
  await takeLock(sys, path)
  try {
    await removeLeftovers(sys, folder)
    return await work()
  } finally {
    await sys.disk.unlink(path)
  }
}

async function takeLock(sys: Sys, path: string): Promise<void> {
  const until = sys.clock.monotonicMs() + lockWaitMs
  while (!(await tryLock(sys, path))) {
    await removeDeadLock(sys, path)
    if (sys.clock.monotonicMs() > until)
      throw new OciError('store-busy', 'another process has been changing the repository for too long', {
        where: path,
        hint: `if no other ashlar process runs, remove ${path}`,
      })
    await sys.clock.sleep(lockPollMs)
  }
}

/** The lock appears with its holder's process number inside, in one step. */
async function tryLock(sys: Sys, path: string): Promise<boolean> {
  const own = `${path}.${process.pid}.${Buffer.from(sys.random.bytes(8)).toString('hex')}`
  try {
    await sys.disk.writeFile(own, String(process.pid))
    await sys.disk.link(own, path)
    return true
  } catch (error) {
    if (isNodeError(error, 'EEXIST')) return false
    throw error
  } finally {
    await sys.disk.rm(own, { force: true })
  }
}

/** What killed processes left: locks that were never put in place, and files that only the holder of the lock writes. */
async function removeLeftovers(sys: Sys, folder: string): Promise<void> {
  for (const name of await sys.disk.readdir(folder)) {
    const pid = /^\.lock\.(\d+)\.[0-9a-f]{16}$/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(sys, Number(pid)))
      await sys.disk.rm(join(folder, name), { force: true })
  }
  await sys.disk.removeUnfinished(folder)
}

async function removeDeadLock(sys: Sys, path: string): Promise<void> {
  try {
    const holder = Number(await sys.disk.readFile(path, 'utf8'))
    if (!isAlive(sys, holder)) await sys.disk.unlink(path)
  } catch (error) {
    if (!isNodeError(error, 'ENOENT')) throw error
  }
}
