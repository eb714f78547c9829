import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from './sys.ts'

async function writeDurably(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  // Drawn by lot: a process number comes again (a launcher's is always 1), and what a kill left would be in the way.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    const file = await fs.open(temporary, 'wx', options.mode ?? 0o644)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await fs.rename(temporary, path)
  } catch (error) {
    await fs.rm(temporary, { force: true })
    throw named(error, path)
  }
  await syncFolder(dirname(path))
}

/** A write takes seconds on the slowest disk. Whoever took longer is told, and nothing of the file was changed. */
const unfinishedAgeMs = 10 * 60_000

/** A folder that is not there has none; nor is one missed that its writer has just finished. */
const removeUnfinished: Disk['removeUnfinished'] = async (folder, { of, shared = false } = {}) => {
  for (const name of (await whenThere(fs.readdir(folder))) ?? []) {
    const file = /^(.+)\.[0-9a-f]{16}\.tmp$/s.exec(name)?.[1]
    if (file === undefined || of?.includes(file) === false) continue
    const path = join(folder, name)
    const ageMs = Date.now() - ((await whenThere(fs.lstat(path)))?.mtimeMs ?? Number.POSITIVE_INFINITY)
    if (!shared || ageMs >= unfinishedAgeMs) await fs.rm(path, { force: true })
  }
}

async function whenThere<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** As Node's, but an error tells the file also where the write failed and not the opening. */
async function writeFile(...[path, ...rest]: Parameters<typeof fs.writeFile>): Promise<void> {
  try {
    await fs.writeFile(path, ...rest)
  } catch (error) {
    throw typeof path === 'string' ? named(error, path) : error
  }
}

/** As {@link writeFile}, for an open file. */
async function open(...[path, ...rest]: Parameters<typeof fs.open>): Promise<fs.FileHandle> {
  const file = await fs.open(path, ...rest)
  if (typeof path !== 'string') return file
  for (const method of ['write', 'writeFile', 'sync'] as const) {
    const original = file[method].bind(file) as (...args: unknown[]) => Promise<unknown>
    const value = (...args: unknown[]) =>
      original(...args).catch((error: unknown) => {
        throw named(error, path)
      })
    Object.defineProperty(file, method, { value, writable: true, configurable: true })
  }
  return file
}

/** "The disk is full" is of little use without which. */
function named(error: unknown, path: string): unknown {
  if (error instanceof Error && 'syscall' in error && !('path' in error))
    return Object.assign(error, { path })
  return error
}

export const realDisk: Disk = { ...fs, open, writeFile, writeDurably, removeUnfinished, syncFolder }
