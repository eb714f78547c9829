import { ByteSource } from '../../oci/index.ts'
import { archiveLimits } from '../limits.ts'
import type { Refuse } from './hostile.ts'

/** What a Debian package may hold; deb(5) has no other kinds, and dpkg takes devices and pipes only for old times' sake. */
export type EntryKind = 'file' | 'folder' | 'link' | 'hard-link'

export interface TarEntry {
  /** As it stands in the archive: `./usr/bin/true`, `./usr/`. */
  readonly name: string
  readonly kind: EntryKind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  /** Of a link as written, of a hard link the name of an entry. */
  readonly target?: string
  /** Only where it was asked for. */
  readonly content?: Uint8Array
}

const blockBytes = 512
/** The two magics with versions, and none: dpkg and GNU tar read `prefix` only after the first. */
const magics: Readonly<Record<string, 'ustar' | 'gnu' | 'v7'>> = {
  'ustar\x0000': 'ustar',
  'ustar  \0': 'gnu',
  '\0\0\0\0\0\0\0\0': 'v7',
}
const kinds: Readonly<Record<string, EntryKind>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hard-link',
  '2': 'link',
  '5': 'folder',
}
const refusedKinds: Readonly<Record<string, string>> = {
  '3': 'is a device',
  '4': 'is a device',
  '6': 'is a named pipe',
  S: 'is a sparse file, which deb(5) does not know',
  x: 'has a pax header, which deb(5) does not know',
  g: 'has a pax header, which deb(5) does not know',
}

/**
 * The entries of a tar archive as deb(5) has them: v7, ustar, GNU long names. dpkg and GNU tar both read what was judged
 * here, so whatever one of them might read differently is refused. Nothing is kept but what `keeps` asks for; an entry is
 * yielded before its content is read.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  refuse: Refuse,
  keeps: (entry: TarEntry) => boolean = () => false,
): AsyncIterable<TarEntry> {
  const source = new ByteSource(chunks, () => refuse('is cut off'))
  let long: { L?: string; K?: string } = {}
  try {
    for (;;) {
      const block = await source.take(blockBytes)
      if (isZero(block)) break
      const header = parseHeader(block, refuse)
      if (header.type === 'L' || header.type === 'K') {
        if (long[header.type] !== undefined) throw refuse('has two long names')
        long = { ...long, [header.type]: await readLongName(source, header.sizeBytes, refuse) }
        continue
      }
      const entry = entryOf(header, long, refuse)
      long = {}
      const padding = -entry.sizeBytes & (blockBytes - 1)
      if (keeps(entry)) {
        if (entry.sizeBytes > archiveLimits.keptBytesMax) throw refuse('is too large to be read', entry.name)
        yield { ...entry, content: await source.take(entry.sizeBytes) }
        await source.skip(padding)
      } else {
        yield entry
        await source.skip(entry.sizeBytes + padding)
      }
    }
    if (long.L !== undefined || long.K !== undefined) throw refuse('ends after a long name')
    // Both readers stop at the first block of zeros; what follows would be seen by neither, and is not what it seems.
    await source.passRest((part) => {
      if (!isZero(part)) throw refuse('holds something after its end')
    })
  } finally {
    await source.close()
  }
}

interface Header extends Pick<TarEntry, 'name' | 'mode' | 'uid' | 'gid' | 'sizeBytes'> {
  readonly type: string
  readonly target: string
}

function parseHeader(block: Buffer, refuse: Refuse): Header {
  const format = magics[block.toString('latin1', 257, 265)]
  if (format === undefined) throw refuse('holds something that is no tar header')
  let sum = 0
  for (let at = 0; at < blockBytes; at++) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0)
  const number = (from: number, to: number) => parseNumber(block.subarray(from, to), refuse)
  if (number(148, 156) !== sum) throw refuse('has a header whose checksum is wrong')
  const short = textUntilNul(block.subarray(0, 100), refuse)
  const prefix = format === 'ustar' ? textUntilNul(block.subarray(345, 500), refuse) : ''
  return {
    name: prefix === '' ? short : `${prefix}/${short}`,
    mode: number(100, 108) & 0o7777,
    uid: number(108, 116),
    gid: number(116, 124),
    sizeBytes: number(124, 136),
    type: String.fromCharCode(block[156] ?? 0),
    target: textUntilNul(block.subarray(157, 257), refuse),
  }
}

function entryOf(header: Header, long: { L?: string; K?: string }, refuse: Refuse): TarEntry {
  const { type, mode, uid, gid, sizeBytes } = header
  const name = long.L ?? header.name
  const kind = kinds[type]
  if (kind === undefined) throw refuse(refusedKinds[type] ?? `is of the kind ${JSON.stringify(type)}`, name)
  const linked = kind === 'link' || kind === 'hard-link'
  const target = linked ? (long.K ?? header.target) : ''
  if (!linked && long.K !== undefined) throw refuse('has a link target, and is no link', name)
  // GNU tar passes over content that a link or folder claims, dpkg takes it for the next header.
  if (kind !== 'file' && sizeBytes !== 0) throw refuse('claims content that its kind cannot have', name)
  return { name, kind, mode, uid, gid, sizeBytes, ...(linked && { target }) }
}

async function readLongName(source: ByteSource, sizeBytes: number, refuse: Refuse): Promise<string> {
  if (sizeBytes > archiveLimits.pathBytesMax + 1) throw refuse('has a name longer than PATH_MAX')
  const bytes = await source.take(sizeBytes)
  await source.skip(-sizeBytes & (blockBytes - 1))
  return textUntilNul(bytes, refuse)
}

/** Octal digits, or GNU's base 256; neither empty nor negative, and nothing that one reader cuts and another does not. */
function parseNumber(field: Buffer, refuse: Refuse): number {
  const octal = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'))?.[1]
  if (octal !== undefined) return Number.parseInt(octal, 8)
  const large = field[0] === 0x80 ? field.readUIntBE(field.length - 6, 6) : Number.NaN
  if (Number.isNaN(large) || field.subarray(1, -6).some((byte) => byte !== 0))
    throw refuse('has a header with a number that cannot be read')
  return large
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textUntilNul(field: Buffer, refuse: Refuse): string {
  const end = field.indexOf(0)
  const bytes = end < 0 ? field : field.subarray(0, end)
  if (end >= 0 && !isZero(field.subarray(end))) throw refuse('has a name with a NUL in it')
  try {
    return utf8.decode(bytes)
  } catch {
    throw refuse('has a name that is not UTF-8', bytes.toString('latin1'))
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
