import { createHash } from 'node:crypto'
import { type Digest, digestFromHex } from '../core/index.ts'
import { DiskError } from './folder.ts'
import { type Frame, parseSeekTable, seekTableBytesMax, unpackFrames } from './frames.ts'

/** Bytes of a blob from an offset on, up to and without `to`. */
export interface BlobSource {
  readFrom(digest: Digest, offset: number, to?: number): AsyncIterable<Uint8Array>
}

interface Blob {
  readonly digest: Digest
  readonly size: number
}

/** The frames of a blob that unpacks to so many bytes. Undefined where it has no table of them. */
export async function readFrameTable(
  source: BlobSource,
  { digest, size }: Blob,
  contentBytes: number,
): Promise<readonly Frame[] | undefined> {
  const from = Math.max(0, size - seekTableBytesMax(contentBytes))
  return parseSeekTable(await collect(source.readFrom(digest, from, size), size - from), size)
}

/** The hash tree that a blob unpacks to. @throws DiskError `frame-malformed` where it is not the one of that digest */
export async function readHashTree(
  source: BlobSource,
  blob: Blob,
  content: { readonly digest: Digest; readonly sizeBytes: number },
): Promise<Buffer> {
  const tree = await collect(unpackFrames(source.readFrom(blob.digest, 0, blob.size)), content.sizeBytes)
  if (digestFromHex(createHash('sha256').update(tree).digest('hex')) === content.digest) return tree
  throw new DiskError('frame-malformed', `the hash tree is not ${content.digest}`, { where: blob.digest })
}

async function collect(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const held: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new DiskError('frame-malformed', 'the blob unpacks to more than it may')
    held.push(chunk)
  }
  return Buffer.concat(held)
}
