import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Disk } from './sys.ts'

let writes = 0

export const realDisk: Disk = { ...fs, writeDurably, syncFolder }

async function writeDurably(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  // The number keeps two writers in this process apart, the pid two processes.
  const temporary = `${path}.${process.pid}.${++writes}.tmp`
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
