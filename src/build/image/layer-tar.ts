import { createHash, type Hash } from 'node:crypto'
import { type Digest, digestFromHex } from '../../core/index.ts'
import { blockBytes } from '../../disk/index.ts'
import { ByteSource } from '../../oci/index.ts'

/** One name in a layer, as its tar has it. Kept as JSON in the cache. */
export interface LayerEntry {
  /** Without a slash at either end; the root is ''. */
  readonly path: string
  readonly kind: 'folder' | 'file' | 'link' | 'hard-link'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly sizeBytes: number
  /** Of a file: where its content begins among the layer's contents, in blocks of an image. */
  readonly block: number
  /** Of a link as it is written; of a hard link the path it is another name of. */
  readonly target?: string
  /** Extended attributes, values in base64. */
  readonly attributes?: Readonly<Record<string, string>>
}

export interface ReadLayer {
  readonly entries: readonly LayerEntry[]
  /** Of the tar. */
  readonly diffId: Digest
}

const headerBytes = 512
const kinds: Readonly<Record<string, LayerEntry['kind']>> = {
  '0': 'file',
  '1': 'hard-link',
  '2': 'link',
  '5': 'folder',
}
const attributePrefix = 'SCHILY.xattr.'

/**
 * Reads a layer that the build itself packed (POSIX pax, as GNU tar writes it), and hands the files' contents to `write`,
 * each filled up to whole blocks of an image. It is no judge of others' archives.
 */
export async function readLayerTar(
  tar: AsyncIterable<Uint8Array>,
  write: (content: Uint8Array) => Promise<void>,
): Promise<ReadLayer> {
  const hash = createHash('sha256')
  const source = new ByteSource(hashing(tar, hash), () => new RangeError('the layer ends too early'))
  const entries: LayerEntry[] = []
  let block = 0
  let extended = new Map<string, Buffer>()
  for (;;) {
    const header = await source.take(headerBytes)
    if (header[0] === 0) break
    const text = (from: number, to: number) => header.toString('utf8', from, to).replace(/\0.*$/s, '')
    const number = (from: number, to: number) => numberOf(header.subarray(from, to))
    const type = text(156, 157)
    const sizeBytes = Number(extended.get('size') ?? number(124, 136))
    if (type === 'x') {
      extended = parseExtended(await source.take(sizeBytes))
      await source.skip(-sizeBytes & (headerBytes - 1))
      continue
    }
    const kind = kinds[type]
    const prefix = text(345, 500)
    const name =
      extended.get('path')?.toString() ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`)
    if (kind === undefined) throw new RangeError(`${name} is of kind ${type}, which no image has`)
    const target = extended.get('linkpath')?.toString() ?? text(157, 257)
    entries.push({
      path: pathOf(name),
      kind,
      mode: number(100, 108) & 0o7777,
      uid: Number(extended.get('uid') ?? number(108, 116)),
      gid: Number(extended.get('gid') ?? number(116, 124)),
      mtime: Math.floor(Number(extended.get('mtime') ?? number(136, 148))),
      sizeBytes: kind === 'file' ? sizeBytes : 0,
      block,
      ...(kind === 'link' && { target }),
      ...(kind === 'hard-link' && { target: pathOf(target) }),
      ...attributesOf(extended),
    })
    extended = new Map()
    if (kind !== 'file' || sizeBytes === 0) continue
    await source.pass(sizeBytes, write)
    await write(Buffer.alloc(-sizeBytes & (blockBytes - 1)))
    await source.skip(-sizeBytes & (headerBytes - 1))
    block += Math.ceil(sizeBytes / blockBytes)
  }
  await source.passRest(() => undefined)
  return { entries, diffId: digestFromHex(hash.digest('hex')) }
}

async function* hashing(chunks: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
}

/** `./usr/bin/` → `usr/bin` */
function pathOf(name: string): string {
  return name.replace(/^\.(?:\/|$)/, '').replace(/\/+$/, '')
}

/** Octal, or, where that has no room, big-endian with the first bit set. */
function numberOf(field: Buffer): number {
  if ((field[0] ?? 0) & 0x80) return field.readUIntBE(field.length - 6, 6)
  return Number.parseInt(field.toString('latin1').replace(/\0.*$/s, '') || '0', 8)
}

/** Records `length name=value\n`; the length counts itself (pax(1), "pax Extended Header"). */
function parseExtended(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(' ', at)
    const end = at + Number(bytes.toString('latin1', at, blank))
    const equals = bytes.indexOf('=', blank)
    if (!(end > equals)) throw new RangeError('a pax header of the layer is broken')
    records.set(bytes.toString('utf8', blank + 1, equals), bytes.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

function attributesOf(extended: ReadonlyMap<string, Buffer>): Pick<LayerEntry, 'attributes'> {
  const found = [...extended].flatMap(([name, value]) =>
    name.startsWith(attributePrefix)
      ? [[name.slice(attributePrefix.length), value.toString('base64')] as const]
      : [],
  )
  return found.length === 0 ? {} : { attributes: Object.fromEntries(found) }
}
