import { join } from 'node:path'
import { type Digest, digestHex, type Progress } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { type CacheRow, listCache, makeWorkFolder, readEntry, stampOf } from './cache.ts'

/** An entry that is not what it was made as: no build uses anything of it. */
export interface DamagedEntry extends CacheRow {
  readonly path: string
  /** Tells its folder from that of an entry which was made anew since. */
  readonly stamp: string
}

export interface CacheCheck {
  readonly good: ReadonlySet<Digest>
  readonly damaged: readonly DamagedEntry[]
  /** Bytes that were read to find that out. */
  readonly bytesRead: number
}

export interface CacheCheckOptions {
  /** Entries that were found good a moment ago and are not read again. */
  readonly known: ReadonlySet<Digest>
  /** Name of the step. */
  readonly step: string
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/** Compares each file of the cache with the digest that it was made with. Changes nothing, and may run beside builds. */
export async function checkCache(
  sys: Sys,
  folder: string,
  { known, step, progress, signal }: CacheCheckOptions,
): Promise<CacheCheck> {
  const good = new Set(known)
  const damaged: DamagedEntry[] = []
  const rows = (await listCache(sys, folder)).filter(({ key }) => !known.has(key))
  const total = rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let [bytesRead, before] = [0, 0]
  for (const row of rows) {
    signal?.throwIfAborted()
    const path = join(folder, 'entries', digestHex(row.key))
    const stamp = await stampOf(sys, path)
    const entry = await readEntry(sys, path, (bytes) => {
      bytesRead += bytes
    })
    if (entry !== undefined) good.add(row.key)
    // Else a build has removed it meanwhile, or made it anew: that one is whole.
    else if (stamp !== undefined && (await stampOf(sys, path)) === stamp)
      damaged.push({ ...row, path, stamp })
    before += row.sizeBytes
    progress({ step, done: before, total, unit: 'bytes' })
  }
  return { good, damaged, bytesRead }
}

/** Removes a damaged entry, which the next build makes again. False where that has happened already. */
export async function removeDamaged(
  sys: Sys,
  folder: string,
  { path, stamp }: DamagedEntry,
): Promise<boolean> {
  if ((await stampOf(sys, path)) !== stamp) return false
  // Out of the way at once, so that no build puts its own among what is being removed.
  const work = await makeWorkFolder(sys, join(folder, 'work'))
  await whenThere(sys.disk.rename(path, join(work, 'damaged')))
  await sys.disk.rm(work, { recursive: true })
  return true
}
