import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Digest, digestFromHex, digestHex, isDigest } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { digestOf, isAlive } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { cacheBytesMax, readBytes } from '../limits.ts'
import { recipes } from './recipes.ts'

/**
 * What a build can make again: each entry a folder of files under the digest of all it was made from. An entry appears
 * whole, by a rename, and nothing of it is used before its digest was taken again: what a disk or a person changed in
 * it is made anew. Builds side by side share it.
 */
export interface Cache {
  /**
   * The entry of a key. Where there is none, or it was damaged, `make` fills an empty folder; what it returns is kept as
   * JSON beside the files. `holds` may find that the value no longer stands.
   */
  entry<T>(
    key: Digest,
    what: string,
    make: (folder: string) => Promise<T>,
    holds?: (value: T) => Promise<boolean>,
  ): Promise<Entry<T>>
  /** An empty folder that is removed with {@link Cache.close}. */
  scratch(name: string): Promise<string>
  /** Removes what this build left on the way, and the entries that were longest unused, down to the limit. */
  close(): Promise<void>
}

export interface Entry<T> {
  readonly value: T
  /** Holds the entry's files. */
  readonly folder: string
}

/** One entry, for people. */
export interface CacheRow {
  readonly key: Digest
  /** What it is: `packages of gateway`. */
  readonly what: string
  readonly sizeBytes: number
  /** When a build last asked for it, ms since 1970. */
  readonly usedMs: number
}

interface EntryFile {
  readonly what: string
  readonly value: unknown
  readonly files: Readonly<Record<string, { readonly digest: Digest; readonly sizeBytes: number }>>
}

/** The key of what a recipe makes from these parts. */
export function cacheKey(recipe: keyof typeof recipes, parts: unknown): Digest {
  return digestOf(JSON.stringify([recipe, recipes[recipe], parts]))
}

export async function openCache(sys: Sys, folder: string, use: boolean): Promise<Cache> {
  const entries = join(folder, 'entries')
  await sys.disk.mkdir(entries, { recursive: true, mode: 0o700 })
  const work = await makeWorkFolder(sys, join(folder, 'work'))
  const asked = new Map<Digest, Promise<Entry<unknown>>>()

  const scratch = async (name: string) => {
    const path = join(work, name)
    await removeTree(sys, path)
    await sys.disk.mkdir(path, { mode: 0o755 })
    await sys.disk.chmod(path, 0o755)
    return path
  }
  const find = async <T>(
    key: Digest,
    what: string,
    make: (folder: string) => Promise<T>,
    holds: (value: T) => Promise<boolean>,
  ): Promise<Entry<T>> => {
    const path = join(entries, digestHex(key))
    const stamp = await stampOf(sys, path)
    const kept = use && stamp !== undefined ? await useEntry(sys, path) : undefined
    if (kept !== undefined && (await holds(kept.value as T))) return { value: kept.value as T, folder: path }
    const made = await scratch(digestHex(key))
    const value = await make(made)
    await writeEntry(sys, made, { what, value })
    return { value, folder: await publish(sys, made, path, { stamp, unread: !use }) }
  }
  return {
    scratch,
    entry<T>(
      key: Digest,
      what: string,
      make: (folder: string) => Promise<T>,
      holds: (value: T) => Promise<boolean> = async () => true,
    ) {
      const entry = (asked.get(key) as Promise<Entry<T>> | undefined) ?? find(key, what, make, holds)
      asked.set(key, entry)
      return entry
    },
    async close() {
      await removeTree(sys, work)
      await removeEntries(sys, folder, await unusedEntries(sys, folder, cacheBytesMax))
    },
  }
}

/** Every entry, the one that was used last first. */
export async function listCache(sys: Sys, folder: string): Promise<readonly CacheRow[]> {
  const entries = join(folder, 'entries')
  const rows: CacheRow[] = []
  for (const name of await namesIn(sys, entries)) {
    // What somebody else put there is none of ours.
    if (!isDigest(`sha256:${name}`)) continue
    const bytes = await whenThere(sys.disk.readFile(join(entries, name, entryName)))
    const stat = await sys.disk.stat(join(entries, name, entryName)).catch(() => undefined)
    const entry = bytes === undefined ? undefined : parseEntry(bytes)
    rows.push({
      key: digestFromHex(name),
      what: entry?.what ?? 'a damaged entry',
      sizeBytes: Object.values(entry?.files ?? {}).reduce(
        (sum, file) => sum + file.sizeBytes,
        bytes?.length ?? 0,
      ),
      usedMs: stat?.mtimeMs ?? 0,
    })
  }
  return rows.toSorted((a, b) => b.usedMs - a.usedMs)
}

/**
 * The entries that were longest unused, so many that the rest is no larger than `bytesMax`. What was used since the
 * oldest build began that is still at work is not among them: it may be that build's.
 */
export async function unusedEntries(
  sys: Sys,
  folder: string,
  bytesMax: number,
): Promise<readonly CacheRow[]> {
  const inUseSinceMs = await oldestBuildMs(sys, join(folder, 'work'))
  let sizeBytes = 0
  return (await listCache(sys, folder)).filter((row) => {
    sizeBytes += row.sizeBytes
    const unused = sizeBytes > bytesMax && row.usedMs < inUseSinceMs
    if (unused) sizeBytes -= row.sizeBytes
    return unused
  })
}

export async function removeEntries(sys: Sys, folder: string, rows: readonly CacheRow[]): Promise<void> {
  for (const { key } of rows) await removeTree(sys, join(folder, 'entries', digestHex(key)))
}

const entryName = 'entry.json'

/** The entry, if it is whole; its use is noted. */
async function useEntry(sys: Sys, path: string): Promise<EntryFile | undefined> {
  const now = new Date(sys.clock.now())
  await whenThere(sys.disk.utimes(join(path, entryName), now, now))
  return await readEntry(sys, path)
}

/** The entry, if its record is whole and each file has the digest that it was made with. */
export async function readEntry(
  sys: Sys,
  path: string,
  advance: (bytes: number) => void = () => undefined,
): Promise<EntryFile | undefined> {
  const bytes = await whenThere(sys.disk.readFile(join(path, entryName)))
  const entry = bytes === undefined ? undefined : parseEntry(bytes)
  for (const [name, { digest, sizeBytes }] of Object.entries(entry?.files ?? {})) {
    const found = await digestOfFile(sys, join(path, name)).catch(() => undefined)
    if (found?.digest !== digest) return undefined
    advance(sizeBytes)
  }
  return entry
}

/** Tells an entry's folder from one that came in its place; undefined where there is none. */
export async function stampOf(sys: Sys, path: string): Promise<string | undefined> {
  const stat = await whenThere(sys.disk.stat(path))
  return stat && `${stat.ino} ${stat.birthtimeMs}`
}

/** The file's first line is the digest of the rest. */
function parseEntry(bytes: Uint8Array): EntryFile | undefined {
  const text = new TextDecoder().decode(bytes)
  const end = text.indexOf('\n')
  return digestOf(text.slice(end + 1)) === text.slice(0, end) ? JSON.parse(text.slice(end + 1)) : undefined
}

async function writeEntry(sys: Sys, folder: string, entry: Omit<EntryFile, 'files'>): Promise<void> {
  const files: Record<string, EntryFile['files'][string]> = {}
  for (const name of await sys.disk.readdir(folder)) files[name] = await digestOfFile(sys, join(folder, name))
  const text = JSON.stringify({ ...entry, files })
  await sys.disk.writeFile(join(folder, entryName), `${digestOf(text)}\n${text}`)
}

/**
 * Puts what was made in its place. What lay there before, `rejected`, was no good or not to be used; what a build beside
 * this one has put there since may be in use, and stays: this one keeps its own. Nothing waits for the disk: after a
 * power cut a torn entry has another digest.
 */
async function publish(
  sys: Sys,
  made: string,
  path: string,
  rejected: { readonly stamp: string | undefined; readonly unread: boolean },
): Promise<string> {
  const there = await stampOf(sys, path)
  if (there !== undefined && there !== rejected.stamp) return made
  if (there !== undefined) {
    // It may be good, and another build may be reading it.
    if (rejected.unread && (await haveSameRecord(sys, made, path))) return made
    // At once, and not file by file: another build may be doing the same.
    await whenThere(sys.disk.rename(path, `${made}.before`))
  }
  return await sys.disk.rename(made, path).then(
    () => path,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && /^(?:ENOTEMPTY|EEXIST)$/.test(String(error.code)))
        return made
      throw error
    },
  )
}

async function haveSameRecord(sys: Sys, ...folders: readonly [string, string]): Promise<boolean> {
  const [one, other] = await Promise.all(
    folders.map((folder) => whenThere(sys.disk.readFile(join(folder, entryName)))),
  )
  return one !== undefined && other !== undefined && digestOf(one) === digestOf(other)
}

/** Digest and size of a file. One buffer for all of it: see `contentsBytes`. */
export async function digestOfFile(sys: Sys, path: string): Promise<{ digest: Digest; sizeBytes: number }> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(readBytes)
  const file = await sys.disk.open(path, 'r')
  try {
    let sizeBytes = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, sizeBytes)
      if (bytesRead === 0) return { digest: digestFromHex(hash.digest('hex')), sizeBytes }
      hash.update(buffer.subarray(0, bytesRead))
      sizeBytes += bytesRead
    }
  } finally {
    await file.close()
  }
}

/** A folder of this process; those of processes that are gone are removed. */
export async function makeWorkFolder(sys: Sys, folder: string): Promise<string> {
  await sys.disk.mkdir(folder, { recursive: true, mode: 0o700 })
  for (const name of await sys.disk.readdir(folder))
    if (!isAlive(sys, pidOf(name))) await removeTree(sys, join(folder, name))
  return await sys.disk.mkdtemp(join(folder, `${process.pid}.`))
}

/** When the oldest of the builds began that are at work. */
async function oldestBuildMs(sys: Sys, folder: string): Promise<number> {
  let oldest = Number.POSITIVE_INFINITY
  for (const name of await namesIn(sys, folder)) {
    const stat = isAlive(sys, pidOf(name))
      ? await sys.disk.stat(join(folder, name)).catch(() => undefined)
      : undefined
    // A use is noted in whole milliseconds.
    if (stat !== undefined) oldest = Math.min(oldest, Math.floor(stat.birthtimeMs))
  }
  return oldest
}

function pidOf(name: string): number {
  return Number(name.split('.')[0])
}

async function namesIn(sys: Sys, folder: string): Promise<readonly string[]> {
  return (await whenThere(sys.disk.readdir(folder))) ?? []
}

function removeTree(sys: Sys, path: string): Promise<void> {
  return sys.disk.rm(path, { recursive: true, force: true })
}
