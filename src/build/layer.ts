import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Digest, digestFromHex } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { type ImageLayer, readLayerTar } from './image/index.ts'
import { readBytes } from './limits.ts'
import type { TreeContext } from './tree/index.ts'
import { type Chamber, cacheKey, runScript } from './workshop/index.ts'

/** A layer in the store. */
export interface Layer {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Of the tar before compression (image-spec, "Layer DiffID"). */
  readonly diffId: Digest
}

/** A layer that has just been packed. */
export interface PackedLayer extends ImageLayer {
  readonly layer: Layer
}

/** What goes into a layer: `paths` of the folder `tree`, with every folder on the way. */
export interface LayerPart {
  readonly name: string
  readonly tree: string
  readonly paths: readonly string[]
}

/** tar without the times that are not content. The image's own tar, not the host's: what it writes differs between versions. */
const tarScript = `
tar --create --directory=/run/ashlar/tree --format=pax --numeric-owner \
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
  --xattrs --xattrs-include=security.capability --file=/run/ashlar/out/layer.tar \
  --null --no-recursion --verbatim-files-from --files-from=/run/ashlar/out/names
`

/** gzip without name and time; the image's own, not Node's zlib: what that makes differs between processors. */
const gzipScript = 'gzip -n -1 < /run/ashlar/out/layer.tar > /run/ashlar/out/layer.tar.gz'

/**
 * Packs a part of a tree into a layer, with the programs of `chamber`. Compressing takes longer than all the rest: a
 * layer whose tar is known is not compressed again.
 */
export async function packLayer(
  context: TreeContext,
  chamber: Chamber,
  part: LayerPart,
): Promise<PackedLayer> {
  const { sys, cache, blobs, lock } = context
  const { out, diffId, ...image } = await tarLayer(context, chamber, part)
  const gzip = [...lock.packages, ...lock.tools].find(({ name }) => name === 'gzip')?.digest
  const { value } = await cache.entry(
    cacheKey('gzip', [diffId, gzip]),
    `compressed layer ${part.name}`,
    async () => {
      await runScript(sys, { ...chamber, binds: [{ source: out, name: 'out', writable: true }] }, gzipScript)
      const file = await sys.disk.open(join(out, 'layer.tar.gz'), 'r')
      return await blobs.ingest(file.createReadStream({ highWaterMark: readBytes }))
    },
    async ({ digest, sizeBytes }) => (await blobs.stat(digest))?.sizeBytes === sizeBytes,
  )
  for (const name of ['layer.tar', 'layer.tar.gz']) await sys.disk.rm(join(out, name), { force: true })
  return { ...image, layer: { ...value, diffId } }
}

/** As {@link packLayer}, but it is not compressed and not stored: `out` holds the tar. */
export async function tarLayer(
  { sys, cache }: TreeContext,
  chamber: Chamber,
  { name, tree, paths }: LayerPart,
): Promise<ImageLayer & { readonly out: string; readonly diffId: Digest }> {
  const out = await cache.scratch(`layer-${name}`)
  const binds = [
    { source: tree, name: 'tree' },
    { source: out, name: 'out', writable: true },
  ]
  await sys.disk.writeFile(join(out, 'names'), paths.map((path) => `${path}\0`).join(''))
  await runScript(sys, { ...chamber, binds }, tarScript)
  return { out, ...(await readContents(sys, join(out, 'layer.tar'), join(out, 'contents'))) }
}

/** Small pieces are gathered: a call for each of ten thousand files takes longer than their bytes. */
const gatheredBytes = 4 << 20

async function readContents(
  sys: Sys,
  tar: string,
  file: string,
): Promise<ImageLayer & { readonly diffId: Digest }> {
  const source = await sys.disk.open(tar, 'r')
  const target = await sys.disk.open(file, 'w')
  const hash = createHash('sha256')
  let sizeBytes = 0
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  const flush = async () => {
    const bytes = Buffer.concat(waiting)
    hash.update(bytes)
    sizeBytes += bytes.length
    waiting = []
    waitingBytes = 0
    await target.writeFile(bytes)
  }
  try {
    const tarBytes = source.createReadStream({ highWaterMark: readBytes })
    const { entries, diffId } = await readLayerTar(tarBytes, async (piece) => {
      waiting.push(piece)
      waitingBytes += piece.length
      if (waitingBytes >= gatheredBytes) await flush()
    })
    await flush()
    const digest = digestFromHex(hash.digest('hex'))
    return { entries, diffId, contents: { file, from: 0, sizeBytes, digest } }
  } finally {
    await target.close()
  }
}
