import { join } from 'node:path'
import { asOneStep, type Digest } from '../core/index.ts'
import { blockBytes, hashBlocks, hashBytes } from '../disk/index.ts'
import {
  type Contents,
  type ImageLayer,
  imageBytes,
  imageSize,
  type LayerEntry,
  layOutImage,
} from './image/index.ts'
import { type Layer, type PackedLayer, packLayer, tarLayer } from './layer.ts'
import {
  agentKey,
  agentTree,
  extractedTools,
  installedTree,
  listTree,
  nodeKey,
  nodeTree,
  ownersOf,
  packagesKey,
  splitPaths,
  type TreeContext,
  toolsKey,
} from './tree/index.ts'
import { type Chamber, cacheKey, eachOf } from './workshop/index.ts'

/** A layer that is in the store for container tools, and in the cache for the disk form. */
export interface KeptLayer extends ImageLayer {
  readonly layer: Layer
  /** The hashes of the contents' blocks, for the hash tree. */
  readonly leaves: Buffer
}

/** The packages' layers, and the image that they make: a root to run their programs in. */
export interface Packages {
  readonly layers: readonly KeptLayer[]
  readonly image: string
  /** The image whose tar and gzip pack what lies over them, and the digest of what it was made from. */
  readonly programs: { readonly image: string; readonly key: Digest }
}

/** What stands in an entry of the cache beside its files. */
export interface Kept {
  readonly layer: Layer
  readonly contents: Omit<Contents, 'file'>
}

/** The image's packages, installed, and split as the lock says. */
export async function packagesLayers(context: TreeContext): Promise<Packages> {
  const { sys, cache, lock, progress } = context
  const key = cacheKey('packagesLayers', [packagesKey(context), lock.layers])
  const { value, folder } = await cache.entry(
    key,
    `packages, ${lock.packages.length} of them`,
    async (folder) => {
      const tree = await installedTree(context)
      const owners = await ownersOf(sys, tree, lock)
      const parts = splitPaths(await listTree(sys, tree), owners, lock.layers.length)
      const packed: PackedLayer[] = []
      const step = { step: 'pack layers', total: parts.length, unit: 'items' } as const
      const chamber: Chamber = { root: tree, epochSeconds: lock.epochSeconds }
      progress({ ...step, done: 0 })
      let done = 0
      await eachOf(parts.entries(), 2, async ([index, paths]) => {
        packed[index] = await packLayer(context, chamber, { name: `packages-${index}`, tree, paths })
        progress({ ...step, done: ++done })
      })
      const kept = await asOneStep(progress, 'write image of packages', () =>
        keepLayers(context, folder, packed),
      )
      await sys.disk.rm(tree, { recursive: true })
      return kept
    },
    (layers) => allStored(context, layers),
  )
  const image = join(folder, imageName)
  const layers = await readLayers(context, folder, value)
  return { image, layers, programs: { image, key: packagesKey(context) } }
}

/** Node and the agent: two layers, the one that changes less first. */
export async function agentLayers(context: TreeContext, packages: Packages): Promise<readonly KeptLayer[]> {
  const layers = [
    ['node', nodeKey(context), nodeTree],
    ['agent', agentKey(context), agentTree],
  ] as const
  return await Promise.all(
    layers.map(([name, key, make]) => smallLayer(context, packages, name, key, () => make(context))),
  )
}

/** A layer that is packed with the programs of the packages, of a tree that `make` makes. */
export async function smallLayer(
  context: TreeContext,
  packages: Packages,
  name: string,
  content: Digest,
  make: () => Promise<string>,
): Promise<KeptLayer> {
  const { sys, cache, lock, progress } = context
  const { value, folder } = await cache.entry(
    cacheKey('layer', [name, content, lock.epochSeconds, packages.programs.key]),
    `layer ${name}`,
    (folder) =>
      asOneStep(progress, `pack layer ${name}`, async () => {
        const tree = await make()
        const chamber = {
          root: await cache.scratch(`${name}-root`),
          image: packages.programs.image,
          epochSeconds: lock.epochSeconds,
        }
        const paths = ['.', ...(await listTree(sys, tree)).map(({ path }) => path)]
        return await keepLayers(context, folder, [await packLayer(context, chamber, { name, tree, paths })])
      }),
    (layers) => allStored(context, layers),
  )
  const [layer] = await readLayers(context, folder, value)
  if (layer === undefined) throw new RangeError(`the cache keeps no layer ${name}`)
  return layer
}

/** The image that the build's programs run in. */
export async function toolsImage(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  const { folder } = await cache.entry(
    toolsKey(context),
    `tools, ${lock.tools.length} packages`,
    async (folder) => {
      const tree = await extractedTools(context)
      const paths = ['.', ...(await listTree(sys, tree)).map(({ path }) => path)]
      const chamber = { root: tree, epochSeconds: lock.epochSeconds }
      const layers = [await tarLayer(context, chamber, { name: 'tools', tree, paths })]
      const layout = layOutImage(layers, lock.epochSeconds)
      await sys.disk.writeFile(join(folder, imageName), imageBytes(sys, layers, layout))
      await sys.disk.rm(tree, { recursive: true })
    },
  )
  return join(folder, imageName)
}

export const imageName = 'image.erofs'
const entriesName = 'entries.json'
const leavesName = 'leaves'

/** Lays layers into one image in `folder`, with the hashes of its blocks, and says where the contents of each lie there. */
export async function keepLayers(
  { sys, lock }: TreeContext,
  folder: string,
  packed: readonly PackedLayer[],
): Promise<readonly Kept[]> {
  const layout = layOutImage(packed, lock.epochSeconds)
  const leaves = Buffer.alloc((imageSize(packed, layout) / blockBytes) * hashBytes)
  await sys.disk.writeFile(join(folder, entriesName), JSON.stringify(packed.map(({ entries }) => entries)))
  await sys.disk.writeFile(join(folder, imageName), hashing(imageBytes(sys, packed, layout), leaves))
  await sys.disk.writeFile(join(folder, leavesName), leaves)
  for (const { contents } of packed) await sys.disk.rm(contents.file)
  let from = blockBytes
  return packed.map(({ layer, contents: { sizeBytes, digest } }) => {
    from += sizeBytes
    return { layer, contents: { from: from - sizeBytes, sizeBytes, digest } }
  })
}

async function* hashing(blocks: AsyncIterable<Uint8Array>, leaves: Buffer): AsyncGenerator<Uint8Array> {
  let done = 0
  for await (const piece of blocks) {
    hashBlocks(piece, leaves, leavesBytes(done))
    done += piece.length
    yield piece
  }
}

/** Bytes of the hashes of so many bytes. */
function leavesBytes(bytes: number): number {
  return (bytes / blockBytes) * hashBytes
}

export async function readLayers(
  { sys }: TreeContext,
  folder: string,
  kept: readonly Kept[],
): Promise<readonly KeptLayer[]> {
  const entries = JSON.parse(
    await sys.disk.readFile(join(folder, entriesName), 'utf8'),
  ) as readonly (readonly LayerEntry[])[]
  const leaves = await sys.disk.readFile(join(folder, leavesName))
  const file = join(folder, imageName)
  return kept.map(({ layer, contents }, index) => ({
    layer,
    contents: { ...contents, file },
    entries: entries[index] ?? [],
    leaves: leaves.subarray(leavesBytes(contents.from), leavesBytes(contents.from + contents.sizeBytes)),
  }))
}

/** The store may have lost what the cache remembers. */
export async function allStored({ blobs }: TreeContext, kept: readonly Kept[]): Promise<boolean> {
  for (const { layer } of kept)
    if ((await blobs.stat(layer.digest))?.sizeBytes !== layer.sizeBytes) return false
  return true
}
