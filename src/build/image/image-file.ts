import type { Digest } from '../../core/index.ts'
import { blockBytes } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { readBytes } from '../limits.ts'
import { type ImageFolder, layOutErofs } from './erofs.ts'
import { ImageTree, mergeLayers } from './image-tree.ts'
import type { LayerEntry } from './layer-tar.ts'

/** Whole blocks in a file, which others may stand in too. */
export interface Contents {
  readonly file: string
  readonly from: number
  readonly sizeBytes: number
  readonly digest: Digest
}

/** A layer as it goes into an image: its names, and the contents of its files. */
export interface ImageLayer {
  readonly entries: readonly LayerEntry[]
  readonly contents: Contents
}

/** All that is in an image and not a file's content. */
export interface ImageLayout {
  readonly superblock: Buffer
  readonly metadata: Buffer
  readonly root: ImageFolder
}

/**
 * It names the file system of every release: nothing finds one by it, and one that is made by chance would differ in
 * each build.
 */
const rootUuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617201'

/** Layers laid one after the other behind the first block, the metadata of the tree they make together behind them. */
export function layOutImage(layers: readonly ImageLayer[], epochSeconds: number): ImageLayout {
  const root = mergeLayers(placed(layers))
  const metadataBlock = 1 + layers.reduce((sum, { contents }) => sum + contents.sizeBytes, 0) / blockBytes
  return { root, ...layOutErofs(root, { metadataBlock, uuid: rootUuid, epochSeconds }) }
}

/** Bytes of the whole image. */
export function imageSize(layers: readonly ImageLayer[], { superblock, metadata }: ImageLayout): number {
  return layers.reduce((sum, { contents }) => sum + contents.sizeBytes, superblock.length + metadata.length)
}

function placed(layers: readonly ImageLayer[]) {
  let firstBlock = 1
  return layers.map(({ entries, contents }) => {
    const layer = { entries, firstBlock }
    firstBlock += contents.sizeBytes / blockBytes
    return layer
  })
}

/** The bytes of an image, in pieces of whole blocks. */
export async function* imageBytes(
  sys: Sys,
  layers: readonly ImageLayer[],
  { superblock, metadata }: ImageLayout,
): AsyncGenerator<Uint8Array> {
  yield superblock
  for (const { contents } of layers) yield* contentsBytes(sys, contents)
  yield metadata
}

/** A piece is good until the next one is asked for: with a new buffer for each, clearing them away takes longer than hashing. */
export async function* contentsBytes(
  sys: Sys,
  contents: Omit<Contents, 'digest'>,
): AsyncGenerator<Uint8Array> {
  const file = await sys.disk.open(contents.file, 'r')
  const buffer = Buffer.allocUnsafe(Math.min(readBytes, contents.sizeBytes))
  try {
    for (let done = 0; done < contents.sizeBytes; ) {
      const piece = buffer.subarray(0, contents.sizeBytes - done)
      await readWhole(file, piece, contents.from + done, contents.file)
      yield piece
      done += piece.length
    }
  } finally {
    await file.close()
  }
}

/** The tree of an image whose layers lie in files. */
export function treeOf(
  sys: Sys,
  layers: readonly ImageLayer[],
  root: ImageFolder = mergeLayers(placed(layers)),
): ImageTree {
  return new ImageTree(root, async (block, sizeBytes) => {
    let from = (block - 1) * blockBytes
    for (const { contents } of layers) {
      if (from >= contents.sizeBytes) {
        from -= contents.sizeBytes
        continue
      }
      return await readRange(sys, contents, from, sizeBytes)
    }
    throw new RangeError(`no layer has block ${block}`)
  })
}

/** So many bytes of contents, from that one on. */
export async function readRange(
  sys: Sys,
  contents: Contents,
  from: number,
  sizeBytes: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes)
  const file = await sys.disk.open(contents.file, 'r')
  try {
    await readWhole(file, bytes, contents.from + from, contents.file)
    return bytes
  } finally {
    await file.close()
  }
}

type OpenFile = Awaited<ReturnType<Sys['disk']['open']>>

async function readWhole(file: OpenFile, target: Buffer, from: number, where: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, from + done)
    if (bytesRead === 0) throw new BuildError('tool-failed', 'a file of the build ends too early', { where })
    done += bytesRead
  }
}
