import { join } from 'node:path'
import { type Frame, frameBytes, printSeekTable } from '../disk/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { type Contents, contentsBytes } from './image/index.ts'
import { toolsImage } from './kept-layers.ts'
import type { TreeContext } from './tree/index.ts'
import { cacheKey, runScript } from './workshop/index.ts'

/** Part of a blob: its frames one after the other in a file. */
export interface PackedPart {
  readonly file: string
  readonly frames: readonly Frame[]
}

/** `$1`… are triples of a part's name and the range that is wanted of its file; what it becomes is `<name>.frames` and `<name>.sizes`. */
const script = `
cd /run/ashlar/out
while [ $# -gt 0 ]; do
  mkdir parts
  tail --bytes=+$(($2 + 1)) "/run/ashlar/part-$1" | head --bytes="$3" |
    split --bytes=${frameBytes} --suffix-length=7 --numeric-suffixes - parts/
  printf '%s\\0' parts/* | xargs -0 -n 16 -P 2 zstd --quiet -3 --rm
  stat --format=%s parts/* > "$1.sizes"
  cat parts/* > "$1.frames"
  rm -r parts
  shift 3
done
`

/** Compresses the contents of a layer; those of one that is known are not compressed again. */
export async function packContents(
  context: TreeContext,
  name: string,
  contents: Contents,
): Promise<PackedPart> {
  if (contents.sizeBytes === 0) return { file: '/dev/null', frames: [] }
  const zstd = context.lock.tools.find((tool) => tool.name === 'zstd')?.digest
  const key = cacheKey('frames', [contents.digest, contents.sizeBytes, zstd, frameBytes])
  const { folder, value } = await context.cache.entry(key, `compressed contents of ${name}`, async (out) => {
    const { layer } = await packParts(context, out, { layer: contents })
    return layer.frames
  })
  return { file: join(folder, 'layer.frames'), frames: value }
}

/** Compresses parts of files, each for itself, with the locked zstd: frame by frame, so that a node can take some of them. */
export async function packParts<Name extends string>(
  context: TreeContext,
  out: string,
  parts: Readonly<Record<Name, Omit<Contents, 'digest'>>>,
): Promise<Record<Name, PackedPart>> {
  const { sys, cache, lock } = context
  const named = Object.entries(parts) as [Name, Omit<Contents, 'digest'>][]
  const sources = named.map(([name, { file }]) => ({ source: file, name: `part-${name}` }))
  const root = await cache.scratch(`zstd-${out.split('/').at(-1)}`)
  const binds = [{ source: out, name: 'out', writable: true }, ...sources]
  const chamber = { root, image: await toolsImage(context), binds, epochSeconds: lock.epochSeconds }
  const triples = named.flatMap(([name, { from, sizeBytes }]) => [name, `${from}`, `${sizeBytes}`])
  await runScript(sys, chamber, script, triples)
  const packed = named.map(async ([name, { sizeBytes }]) => {
    const sizes = (await sys.disk.readFile(join(out, `${name}.sizes`), 'utf8')).trim().split('\n')
    const frames = sizes.map((size, number) => ({
      packedBytes: Number(size),
      contentBytes: Math.min(frameBytes, sizeBytes - number * frameBytes),
    }))
    return [name, { file: join(out, `${name}.frames`), frames }] as const
  })
  return Object.fromEntries<PackedPart>(await Promise.all(packed)) as Record<Name, PackedPart>
}

/** Stores parts as one blob, with the table that tells where each frame lies. */
export async function storeParts(
  { sys, blobs }: TreeContext,
  parts: readonly PackedPart[],
  mediaType: string,
): Promise<Descriptor> {
  async function* bytes() {
    for (const { file, frames } of parts) {
      const sizeBytes = frames.reduce((sum, { packedBytes }) => sum + packedBytes, 0)
      yield* contentsBytes(sys, { file, from: 0, sizeBytes })
    }
    yield printSeekTable(parts.flatMap(({ frames }) => frames))
  }
  const { digest, sizeBytes } = await blobs.ingest(bytes())
  return { mediaType, digest, size: sizeBytes }
}
