import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Disk } from './sys.ts'

export const realDisk: Disk = { ...fs, writeDurably, syncFolder }

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
    throw error
  }
  await syncFolder(dirname(path))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
