import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import {
  AshlarError,
  type Digest,
  digestFromHex,
  isDigest,
  type Reason,
  type SlotName,
  shortDigest,
  slotNames,
} from '../core/index.ts'
import type { Disk } from '../sys/index.ts'
import { type BootEntry, markBad, parseEntryName, printEntryName } from './boot-entry.ts'
import { diskPath } from './paths.ts'
import type { SlotEntry } from './slots.ts'
import { whenThere } from './when-there.ts'

export class DiskError extends AshlarError<'entry-gone' | 'folder-malformed' | 'frame-malformed'> {}

/** What a node's disk folder holds, as {@link slotsOf} takes it. */
export interface DiskFolder {
  readonly entries: readonly SlotEntry[]
  readonly held: Readonly<Partial<Record<SlotName, Digest>>>
}

/** The files that prove which release lies in a slot, each as it was fetched. */
export interface SealFiles {
  readonly index: Uint8Array
  readonly manifest: Uint8Array
  readonly document: Uint8Array
}

/**
 * Reads a node's disk folder. What is no entry (a temporary name, left by a crash; a text that names no slot) or cannot be
 * read is passed over, as a boot loader does: one damaged file must not keep the others from being run.
 */
export async function readDiskFolder(disk: Disk, root: string): Promise<DiskFolder> {
  const names = (await whenThere(disk.readdir(join(root, diskPath.entries)))) ?? []
  const entries = await Promise.all(
    names.flatMap((name) => {
      const entry = parseEntryName(name)
      return entry === undefined ? [] : [readEntry(disk, root, entry)]
    }),
  )
  const held: Partial<Record<SlotName, Digest>> = {}
  for (const slot of slotNames) {
    const index = await whenReadable(
      disk.readFile(join(root, diskPath.release(slot), diskPath.releaseFile.index)),
    )
    if (index !== undefined) held[slot] = digestFromHex(createHash('sha256').update(index).digest('hex'))
  }
  return { entries: entries.filter((entry) => entry !== undefined), held }
}

/**
 * Every folder of a disk is a folder, and no link that leads elsewhere: a launcher writes there as root of the host, and
 * the node can exchange what lies there. @throws DiskError `folder-malformed`
 */
export async function requireFolders(disk: Disk, root: string): Promise<void> {
  for (const path of [
    ...slotNames,
    'esp',
    dirname(diskPath.entries),
    diskPath.entries,
    diskPath.kept,
    diskPath.talk,
  ]) {
    const where = join(root, path)
    if ((await whenThere(disk.lstat(where)))?.isDirectory() !== true)
      throw new DiskError('folder-malformed', `${path} on the node's disk is no folder`, { where })
  }
}

/**
 * Puts an entry in place: written whole under a name that no boot loader reads, then renamed. The commit point. A kill
 * may have left the reason of an earlier entry of this number: it would condemn the new one, and goes first.
 */
export async function putEntry(
  disk: Disk,
  root: string,
  entry: BootEntry,
  content: { readonly slot: SlotName; readonly release: Digest },
): Promise<void> {
  await disk.rm(join(root, diskPath.why(entry.install)), { force: true })
  await disk.syncFolder(join(root, diskPath.kept))
  await disk.writeDurably(join(root, diskPath.entry(printEntryName(entry))), `${JSON.stringify(content)}\n`)
}

/** Changes what an entry's name says: counted down, blessed, marked bad. @throws DiskError `entry-gone` */
export async function renameEntry(disk: Disk, root: string, from: BootEntry, to: BootEntry): Promise<void> {
  const [old, next] = [from, to].map((entry) => join(root, diskPath.entry(printEntryName(entry))))
  if (old === undefined || next === undefined || old === next) return
  const renamed = await whenThere(disk.rename(old, next).then(() => true))
  if (renamed === undefined)
    throw new DiskError('entry-gone', 'the boot entry is not there any more', { where: old })
  await disk.syncFolder(join(root, diskPath.entries))
}

export async function removeEntry(disk: Disk, root: string, entry: BootEntry): Promise<void> {
  await disk.rm(join(root, diskPath.entry(printEntryName(entry))), { force: true })
  await disk.syncFolder(join(root, diskPath.entries))
  await disk.rm(join(root, diskPath.why(entry.install)), { force: true })
}

/** Records why an entry is bad. */
export async function writeWhy(disk: Disk, root: string, install: number, why: Reason): Promise<void> {
  await disk.writeDurably(join(root, diskPath.why(install)), JSON.stringify(why))
}

/**
 * Marks an entry bad. The reason comes before the rename, so that a bad entry that was marked always has one; but on a
 * full disk, for what failed must not be booted again until there is room.
 */
export async function condemn(disk: Disk, root: string, entry: BootEntry, why: Reason): Promise<void> {
  await writeWhy(disk, root, entry.install, why).catch((error: unknown) => {
    if (!isDiskFull(error)) throw error
  })
  await renameEntry(disk, root, entry, markBad(entry))
}

/** Says that a slot is whole: the files are written beside, and put in place with one rename. */
export async function sealSlot(disk: Disk, root: string, slot: SlotName, files: SealFiles): Promise<void> {
  const folder = join(root, diskPath.release(slot))
  const temporary = `${folder}.tmp`
  await disk.rm(temporary, { recursive: true, force: true })
  await disk.mkdir(temporary, { recursive: true })
  for (const part of ['index', 'manifest', 'document'] as const)
    await disk.writeDurably(join(temporary, diskPath.releaseFile[part]), files[part])
  await disk.rm(folder, { recursive: true, force: true })
  await disk.rename(temporary, folder)
  await disk.syncFolder(join(root, slot))
}

/** Undefined where the slot is not whole. The caller checks the files against the release's digest. */
export async function readSeal(disk: Disk, root: string, slot: SlotName): Promise<SealFiles | undefined> {
  const folder = join(root, diskPath.release(slot))
  const read = (part: keyof SealFiles) => whenThere(disk.readFile(join(folder, diskPath.releaseFile[part])))
  const [index, manifest, document] = [await read('index'), await read('manifest'), await read('document')]
  if (index === undefined || manifest === undefined || document === undefined) return undefined
  return { index, manifest, document }
}

async function readEntry(disk: Disk, root: string, entry: BootEntry): Promise<SlotEntry | undefined> {
  const path = join(root, diskPath.entry(printEntryName(entry)))
  const text = await whenReadable(disk.readFile(path, 'utf8'))
  if (text === undefined) return undefined
  const { slot, release } = fields(text)
  const name = slotNames.find((known) => known === slot)
  if (name === undefined || typeof release !== 'string' || !isDigest(release)) return undefined
  if (shortDigest(release) !== entry.release) return undefined
  const why = await readWhy(disk, root, entry.install)
  return { ...entry, slot: name, digest: release, ...(why !== undefined && { why }) }
}

async function readWhy(disk: Disk, root: string, install: number): Promise<Reason | undefined> {
  const why = join(root, diskPath.why(install))
  if ((await whenThere(disk.lstat(why))) === undefined) return undefined
  const { code, message, check, exitCode, lastLines } = fields(
    (await whenReadable(disk.readFile(why, 'utf8'))) ?? '',
  )
  const lines = Array.isArray(lastLines) ? lastLines.filter((line) => typeof line === 'string') : undefined
  return {
    code: typeof code === 'string' ? code : 'reason-unreadable',
    message: typeof message === 'string' ? message : 'why the entry was marked bad cannot be read',
    ...(typeof check === 'string' && { check }),
    ...(typeof exitCode === 'number' && { exitCode }),
    ...(lines !== undefined && { lastLines: lines }),
  }
}

function fields(text: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

/** The result, or undefined where it is a disk fault. */
async function whenReadable<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isDiskFault(error)) return undefined
    throw error
  }
}

/** Whether a system call failed: there is no such file, it is a folder, the disk fails (EIO). */
export function isDiskFault(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

/** Whether a write failed because the disk, or this user's share of it, is full. */
export function isDiskFull(error: unknown): error is Error {
  return isDiskFault(error) && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
