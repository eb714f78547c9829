import { zstdDecompress } from 'node:zlib'
import { DiskError } from './folder.ts'
import { frameBytes } from './limits.ts'

/** RFC 8878, 3.1.1: what a frame of compressed data begins with, and the sixteen numbers of skippable ones. */
const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
/** zstd, contrib/seekable_format: the skippable frame that holds the table, and the table's last four bytes. */
const seekTableMagic = 0x184d2a5e
const seekableMagic = 0x8f92eab1
const seekFooterBytes = 9

/** Sizes of one frame. */
export interface Frame {
  readonly packedBytes: number
  readonly contentBytes: number
}

/**
 * The table at the end of a blob in zstd's seekable format: where each frame begins, for a reader that needs only some
 * of them. Other readers pass over it.
 */
export function printSeekTable(frames: readonly Frame[]): Uint8Array {
  const table = Buffer.alloc(8 + 8 * frames.length + seekFooterBytes)
  table.writeUInt32LE(seekTableMagic, 0)
  table.writeUInt32LE(table.length - 8, 4)
  for (const [index, { packedBytes, contentBytes }] of frames.entries()) {
    table.writeUInt32LE(packedBytes, 8 + 8 * index)
    table.writeUInt32LE(contentBytes, 12 + 8 * index)
  }
  table.writeUInt32LE(frames.length, table.length - seekFooterBytes)
  table.writeUInt32LE(seekableMagic, table.length - 4)
  return table
}

/**
 * Reads the table at the end of a blob. `tail` are the blob's last bytes, so many of them that the table is in them.
 * Undefined where there is no table that fits the blob: then only the whole can be read.
 */
export function parseSeekTable(tail: Buffer, blobBytes: number): readonly Frame[] | undefined {
  if (tail.length < seekFooterBytes || tail.readUInt32LE(tail.length - 4) !== seekableMagic) return undefined
  const count = tail.readUInt32LE(tail.length - seekFooterBytes)
  const start = tail.length - seekFooterBytes - 8 * count
  if (start < 8 || tail.readUInt32LE(start - 8) !== seekTableMagic) return undefined
  const frames = Array.from({ length: count }, (_, index) => ({
    packedBytes: tail.readUInt32LE(start + 8 * index),
    contentBytes: tail.readUInt32LE(start + 8 * index + 4),
  }))
  const packedBytes = frames.reduce((sum, frame) => sum + frame.packedBytes, 0)
  return packedBytes + tail.length - start + 8 === blobBytes ? frames : undefined
}

/** Where the table of a blob can be: so many bytes from its end, for an image of so many. */
export function seekTableBytesMax(contentBytes: number): number {
  // Each part of an image ends with a frame that is not full; there are a few dozen parts.
  return 8 + 8 * (Math.ceil(contentBytes / frameBytes) + partsMax) + seekFooterBytes
}

/** More layers than a container engine takes. */
const partsMax = 1_000

/**
 * Unpacks a blob of zstd frames as it comes: of Node's own streams each ends with its first frame. A frame is at most
 * `frameBytes` of content, so that memory stays small whatever the blob claims. @throws DiskError `frame-malformed`
 */
export async function* unpackFrames(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let next: Promise<Uint8Array> | undefined
  for await (const frame of splitFrames(packed)) {
    // One frame is unpacked by another thread while the one before it is used.
    const before = next
    next = unpackFrame(frame)
    // Its failure is thrown where it is awaited.
    next.catch(() => undefined)
    if (before !== undefined) yield await before
  }
  if (next !== undefined) yield await next
}

function unpackFrame(frame: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) =>
    zstdDecompress(frame, { maxOutputLength: frameBytes }, (error, content) =>
      error === null ? resolve(content) : reject(malformed(error.message)),
    ),
  )
}

/** The frames of a blob, whole, without the skippable ones. */
async function* splitFrames(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0)
  for await (const chunk of packed) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk])
    let at = 0
    for (
      let end = endOfFrame(held, at);
      end !== undefined && end <= held.length;
      end = endOfFrame(held, at)
    ) {
      if (held.readUInt32LE(at) === frameMagic) yield held.subarray(at, end)
      at = end
    }
    held = held.subarray(at)
    if (held.length > packedBytesMax) throw malformed('a frame is too large')
  }
  if (held.length > 0) throw malformed('the last frame is cut off')
}

/** What cannot be compressed grows by its headers; a skippable frame of this size is a table of more than a terabyte. */
const packedBytesMax = frameBytes * 2 + (16 << 20)

/** Where the frame that begins at `at` ends; undefined while too little of it is there to tell. */
function endOfFrame(held: Buffer, at: number): number | undefined {
  if (held.length < at + 8) return undefined
  const magic = held.readUInt32LE(at)
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic) return at + 8 + held.readUInt32LE(at + 4)
  if (magic !== frameMagic) throw malformed('something that is no frame')
  const descriptor = held.readUInt8(at + 4)
  const singleSegment = (descriptor >> 5) & 1
  const contentSizeBytes = [singleSegment, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const checksumBytes = descriptor & 4
  // RFC 8878, 3.1.1.2: blocks of three bytes of header, the last of them marked; in one of type 1 a byte is repeated.
  for (let block = at + 5 + (1 - singleSegment) + dictionaryBytes + contentSizeBytes; ; ) {
    if (held.length < block + 3) return undefined
    const header = held.readUIntLE(block, 3)
    block += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3)
    if (header & 1) return block + checksumBytes
  }
}

function malformed(why: string): DiskError {
  return new DiskError('frame-malformed', `the blob does not unpack: ${why}`)
}
