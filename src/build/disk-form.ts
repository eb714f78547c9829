import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Definition, type Digest, type DiskForm, digestFromHex, mediaType } from '../core/index.ts'
import { hashesOf, verityTree } from '../disk/index.ts'
import { type Descriptor, digestOf } from '../oci/index.ts'
import { bootArguments, makeBootFile } from './boot-file.ts'
import {
  type ImageLayer,
  type ImageLayout,
  imageBytes,
  imageSize,
  layOutImage,
  treeOf,
} from './image/index.ts'
import type { KeptLayer } from './kept-layers.ts'
import { type PackedPart, packContents, packParts, storeParts } from './packed-frames.ts'
import { type TreeContext, toolsKey } from './tree/index.ts'
import { cacheKey, digestOfFile, together } from './workshop/index.ts'

/** The disk form of one release: what the document says of it, and the blobs. */
export interface BuiltDisk {
  readonly form: DiskForm
  readonly root: Descriptor
  readonly verity: Descriptor
  readonly boot: Descriptor
}

/** It names the hash tree of every release, for the reason that the root's does (`image-file.ts`). */
const verityUuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617202'

/** Makes the disk form of layers that lie one over another, lowest first. */
export async function diskFormOf(
  context: TreeContext,
  layers: readonly KeptLayer[],
  initrd: string,
  kernelArguments: Definition['spec']['kernel']['arguments'],
): Promise<BuiltDisk> {
  const { blobs, cache, lock } = context
  const content = layers.map(({ layer }) => layer.diffId)
  const key = cacheKey('disk', [
    ...[content, toolsKey(context), kernelArguments, lock.epochSeconds, bootArguments],
  ])
  const { value } = await cache.entry(
    key,
    'disk form',
    () => makeDisk(context, layers, initrd, kernelArguments),
    async ({ root, verity, boot }) => {
      const found = await Promise.all([root, verity, boot].map(({ digest }) => blobs.stat(digest)))
      return found.every((stat) => stat !== undefined)
    },
  )
  return value
}

async function makeDisk(
  context: TreeContext,
  layers: readonly KeptLayer[],
  initrd: string,
  kernelArguments: readonly string[],
): Promise<BuiltDisk> {
  const layout = layOutImage(layers, context.lock.epochSeconds)
  const { tree: verity, roothash } = verityTree(leavesOf(layers, layout), verityUuid)
  const out = await context.cache.scratch('disk')
  // Side by side: the one keeps this process at work, the other the programs of the chambers.
  const [root, { boot, kernel, packed }] = await together([
    digestOfImage(context, layers, layout),
    (async () => {
      const image = { tree: treeOf(context.sys, layers, layout.root), initrd, roothash }
      const kernel = await makeBootFile(context, out, image, kernelArguments)
      const boot = await digestOfFile(context.sys, join(out, 'boot.efi'))
      return { boot, kernel, packed: await packDisk(context, out, layers, { ...layout, verity, boot }) }
    })(),
  ])
  return {
    form: { root, verity: { digest: digestOf(verity), sizeBytes: verity.length }, roothash, boot, kernel },
    root: await storeParts(context, packed.root, mediaType.diskRoot),
    verity: await storeParts(context, packed.verity, mediaType.diskVerity),
    boot: await storeParts(context, packed.boot, mediaType.diskBoot),
  }
}

async function digestOfImage(
  { sys, progress }: TreeContext,
  layers: readonly KeptLayer[],
  layout: ImageLayout,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const total = imageSize(layers, layout)
  const hash = createHash('sha256')
  const step = { step: 'hash root image', total, unit: 'bytes' } as const
  let done = 0
  progress({ ...step, done })
  for await (const piece of imageBytes(sys, layers, layout)) {
    hash.update(piece)
    done += piece.length
    progress({ ...step, done })
  }
  return { digest: digestFromHex(hash.digest('hex')), sizeBytes: total }
}

/** The hashes of all blocks of an image; those of the layers' contents were taken when these were laid out. */
function leavesOf(layers: readonly KeptLayer[], { superblock, metadata }: ImageLayout): Buffer {
  return Buffer.concat([hashesOf(superblock), ...layers.map(({ leaves }) => leaves), hashesOf(metadata)])
}

/** Compresses the parts of the disk form; what is of a layer is taken from the cache. */
async function packDisk(
  context: TreeContext,
  out: string,
  layers: readonly ImageLayer[],
  parts: ImageLayout & { readonly verity: Buffer; readonly boot: { readonly sizeBytes: number } },
): Promise<Record<'root' | 'verity' | 'boot', readonly PackedPart[]>> {
  const { superblock, metadata, verity, boot } = parts
  const { sys, progress } = context
  const step = { step: 'compress disk form', total: layers.length + 1, unit: 'items' } as const
  const contents: PackedPart[] = []
  for (const [index, layer] of layers.entries()) {
    progress({ ...step, done: index })
    contents.push(await packContents(context, `layer ${index + 1}`, layer.contents))
  }
  progress({ ...step, done: layers.length })
  for (const [name, bytes] of Object.entries({ superblock, metadata, verity }))
    await sys.disk.writeFile(join(out, name), bytes)
  const whole = (name: string, { length }: { readonly length: number }) => ({
    file: join(out, name),
    from: 0,
    sizeBytes: length,
  })
  const packed = await packParts(context, out, {
    superblock: whole('superblock', superblock),
    metadata: whole('metadata', metadata),
    verity: whole('verity', verity),
    boot: { file: join(out, 'boot.efi'), from: 0, sizeBytes: boot.sizeBytes },
  })
  progress({ ...step, done: step.total })
  return {
    root: [packed.superblock, ...contents, packed.metadata],
    verity: [packed.verity],
    boot: [packed.boot],
  }
}
