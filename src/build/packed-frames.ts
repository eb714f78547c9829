import { join } from 'node:path'
import { type Frame, frameBytes, printSeekTable } from '../disk/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { cacheKey } from './cache.ts'
import { runScript } from './chamber.ts'
import { type Contents, contentsBytes } from './image-file.ts'
import { toolsImage } from './kept-layers.ts'
import type { TreeContext } from './trees.ts'

/** Part of a blob: its frames one after the other in a file. */
export interface PackedPart {
  readonly file: string
  readonly frames: readonly Frame[]
}

/** `$1`… are triples of a file and the range of it that is wanted; what the n-th becomes is `<n>.frames` and `<n>.sizes`. */
const script = `
cd /run/ashlar/out
part=0
while [ $# -gt 0 ]; do
  mkdir parts
  tail --bytes=+$(($2 + 1)) "/run/ashlar/$1" | head --bytes="$3" |
    split --bytes=${frameBytes} --suffix-length=7 --numeric-suffixes - parts/
  printf '%s\\0' parts/* | xargs -0 -n 16 -P 2 zstd --quiet -3 --rm
  stat --format=%s parts/* > $part.sizes
  cat parts/* > $part.frames
  rm -r parts
  part=$((part + 1))
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
    const [part] = await packParts(context, out, [contents])
    return part?.frames ?? []
  })
  return { file: join(folder, '0.frames'), frames: value }
}

/** Compresses parts of files, each for itself, with the locked zstd: frame by frame, so that a node can take some of them. */
export async function packParts(
  context: TreeContext,
  out: string,
  parts: readonly Omit<Contents, 'digest'>[],
): Promise<readonly PackedPart[]> {
  const { sys, cache, lock } = context
  const sources = parts.map(({ file }, index) => ({ source: file, name: `part-${index}` }))
  const root = await cache.scratch(`zstd-${out.split('/').at(-1)}`)
  const binds = [{ source: out, name: 'out', writable: true }, ...sources]
  const chamber = { root, image: await toolsImage(context), binds, epochSeconds: lock.epochSeconds }
  const triples = parts.flatMap(({ from, sizeBytes }, index) => [`part-${index}`, `${from}`, `${sizeBytes}`])
  await runScript(sys, chamber, script, triples)
  return await Promise.all(
    parts.map(async ({ sizeBytes }, index) => {
      const sizes = (await sys.disk.readFile(join(out, `${index}.sizes`), 'utf8')).trim().split('\n')
      const frames = sizes.map((size, number) => ({
        packedBytes: Number(size),
        contentBytes: Math.min(frameBytes, sizeBytes - number * frameBytes),
      }))
      return { file: join(out, `${index}.frames`), frames }
    }),
  )
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
