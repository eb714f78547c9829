import { archiveLimits } from '../limits.ts'
import type { Refuse } from './hostile.ts'
import type { TarEntry } from './tar.ts'

/** One thing that a package brings; `path` is relative to the root, the root itself is empty. Setuid shows in `mode`. */
export interface PackageEntry extends Omit<TarEntry, 'name' | 'content'> {
  readonly path: string
}

export interface PackageContents {
  readonly entries: readonly PackageEntry[]
  /** Of all files, each once. */
  readonly unpackedBytes: number
}

/** What was seen at a path; a folder is `implied` when something lies in it and it has not come itself. */
type Seen = TarEntry['kind'] | 'implied'

/**
 * Judges entries one by one as they come, and lists them. Whoever unpacks what passed here into an **empty** tree writes
 * nothing outside; over other packages' files a link of theirs may stand on the way: see `extract.ts`.
 */
export async function judgeEntries(
  entries: AsyncIterable<TarEntry>,
  refuse: Refuse,
): Promise<PackageContents> {
  const seen = new Map<string, Seen>([['', 'implied']])
  const judged: PackageEntry[] = []
  let unpackedBytes = 0
  for await (const { name, content: _, ...entry } of entries) {
    const path = pathOf(name, entry.kind === 'folder', refuse)
    requirePlace(seen, path, entry.kind, (why) => refuse(why, name))
    if (entry.kind === 'link')
      requireText(entry.target ?? '', 'has a target that', (why) => refuse(why, name))
    if (entry.kind === 'hard-link') requireLinked(seen, entry.target ?? '', (why) => refuse(why, name))
    unpackedBytes += entry.sizeBytes
    if (entry.sizeBytes > archiveLimits.fileBytesMax || unpackedBytes > archiveLimits.packageBytesMax)
      throw refuse('would take too much room', name)
    if (judged.length === archiveLimits.entriesMax) throw refuse('is one entry too many', name)
    if (entry.uid > archiveLimits.idMax || entry.gid > archiveLimits.idMax)
      throw refuse('has an owner that Linux cannot have', name)
    seen.set(path, entry.kind)
    judged.push({ path, ...entry })
  }
  return { entries: judged, unpackedBytes }
}

/** `./usr/bin/` → `usr/bin`; only what needs no interpretation. */
function pathOf(name: string, folder: boolean, refuse: Refuse): string {
  const no = (why: string) => refuse(why, name)
  requireText(name, 'has a name that', no)
  if (name.startsWith('/')) throw no('has an absolute name')
  if (name.endsWith('/') && !folder) throw no('is named like a folder, and is none')
  const relative = name.startsWith('./') ? name.slice(2) : name
  const path = folder && relative.endsWith('/') ? relative.slice(0, -1) : relative
  if (path === '' || path === '.') {
    if (folder) return ''
    throw no('takes the place of the root')
  }
  for (const part of path.split('/')) {
    if (part === '..') throw no('leads out of the package')
    if (part === '' || part === '.') throw no('has an empty part in its name')
    if (part.length > archiveLimits.nameBytesMax / 4 && Buffer.byteLength(part) > archiveLimits.nameBytesMax)
      throw no('has a part longer than NAME_MAX')
  }
  return path
}

function requireText(text: string, what: string, no: Refuse): void {
  if (text === '') throw no(`${what} is empty`)
  if (/\p{Cc}/u.test(text)) throw no(`${what} holds control characters`)
  if (Buffer.byteLength(text) > archiveLimits.pathBytesMax) throw no(`${what} is longer than PATH_MAX`)
}

function requirePlace(seen: Map<string, Seen>, path: string, kind: Seen, no: Refuse): void {
  const before = seen.get(path)
  if (before === 'implied' && kind !== 'folder') throw no('takes the place of a folder')
  if (before !== undefined && before !== 'implied') throw no('is there twice')
  requireFolders(seen, path, no)
}

/** A folder was judged with all above it when it came, and nothing takes its place: the way ends at the first one. */
function requireFolders(seen: Map<string, Seen>, path: string, no: Refuse): void {
  for (let above = parentOf(path); ; above = parentOf(above)) {
    const kind = seen.get(above)
    if (kind === 'folder' || kind === 'implied') return
    if (kind !== undefined) throw no(`leads through ${JSON.stringify(above)}, which is no folder`)
    seen.set(above, 'implied')
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0))
}

/** A hard link to a link would give a name to whatever that points at; to anything but an earlier file, to the host's. */
function requireLinked(seen: ReadonlyMap<string, Seen>, target: string, no: Refuse): void {
  const kind = seen.get(pathOf(target, false, no))
  if (kind !== 'file' && kind !== 'hard-link')
    throw no(`is a hard link to ${JSON.stringify(target)}, which is no file before it`)
}
