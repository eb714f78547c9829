import type { Digest, Progress } from '../core/index.ts'
import { OciError } from './errors.ts'
import { askedAtOnceMax, copiedManifestsMax } from './limits.ts'
import { type AnyManifest, parseAnyManifest, referencesOf } from './manifest.ts'
import type { Descriptor, ManifestBytes, Repository } from './types.ts'

export interface CopyOptions {
  /** Tag that the release gets there. */
  readonly tag?: string
  /** Whether signatures and other evidence go with it. */
  readonly referrers: boolean
  /** Name of the step. */
  readonly step: string
  readonly progress: Progress
  /** Aborts: the copy stops, and what has arrived stays for the next one. */
  readonly signal?: AbortSignal
}

/**
 * Copies a release with all its manifests and blobs, and with what refers to it; what is there already is skipped. The
 * release itself is written last: where it is seen, all that belongs to it is there.
 * @throws OciError `manifest-unknown`, and what the two repositories throw
 */
export async function copyRelease(
  from: Repository,
  to: Repository,
  digest: Digest,
  options: CopyOptions,
): Promise<void> {
  const referrers = options.referrers ? await from.referrers(digest) : []
  const family: Member[] = []
  for (const root of [digest, ...referrers.map((referrer) => referrer.digest)])
    await gather(from, root, family)
  await copyBlobs(from, to, await missingIn(to, uniqueBlobs(family), options), options)
  for (const { bytes } of family)
    if (bytes.digest !== digest) await to.putManifest(bytes.bytes, bytes.mediaType)
  const release = family.find(({ bytes }) => bytes.digest === digest)
  if (release !== undefined) await to.putManifest(release.bytes.bytes, release.bytes.mediaType, options.tag)
}

interface Member {
  readonly bytes: ManifestBytes
  readonly parsed: AnyManifest
}

/** Adds a manifest to the family and, before it, all those that it names. */
async function gather(from: Repository, digest: Digest, family: Member[]): Promise<void> {
  if (family.some(({ bytes }) => bytes.digest === digest)) return
  if (family.length >= copiedManifestsMax)
    throw new OciError(
      'content-too-large',
      `more than ${copiedManifestsMax} manifests belong to the release`,
      {
        where: from.name,
      },
    )
  const bytes = await from.manifest(digest)
  if (bytes === undefined)
    throw new OciError('manifest-unknown', `there is no manifest ${digest} in ${from.name}`, {
      where: from.name,
      hint: 'check the digest, or build the release',
    })
  const parsed = parseAnyManifest(bytes.bytes, bytes.mediaType)
  for (const child of referencesOf(parsed).manifests) await gather(from, child.digest, family)
  family.push({ bytes, parsed })
}

function uniqueBlobs(family: readonly Member[]): readonly Descriptor[] {
  const all = family.flatMap(({ parsed }) => referencesOf(parsed).blobs)
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()]
}

/** Those that are not there yet, in the same order. Asked side by side: far away, an answer takes its time. */
async function missingIn(
  to: Repository,
  blobs: readonly Descriptor[],
  { signal }: CopyOptions,
): Promise<readonly Descriptor[]> {
  const missing = new Set<Descriptor>()
  const left = blobs.values()
  const worker = async () => {
    for (const blob of left) {
      signal?.throwIfAborted()
      if ((await to.blobs.stat(blob.digest)) === undefined) missing.add(blob)
    }
  }
  await Promise.all(Array.from({ length: askedAtOnceMax }, worker))
  return blobs.filter((blob) => missing.has(blob))
}

async function copyBlobs(
  from: Repository,
  to: Repository,
  blobs: readonly Descriptor[],
  { step, progress, signal }: CopyOptions,
): Promise<void> {
  const total = blobs.reduce((sum, blob) => sum + blob.size, 0)
  let done = 0
  for (const [index, blob] of blobs.entries()) {
    const item = { number: index + 1, of: blobs.length }
    const advance = (bytes: number) => {
      signal?.throwIfAborted()
      done += bytes
      progress({ step, item, done, total, unit: 'bytes' })
    }
    await copyBlob(from, to, blob, advance).catch((error: unknown) => {
      // Who is told to stop in the middle of a request finds that request broken.
      signal?.throwIfAborted()
      throw error
    })
  }
}

async function copyBlob(
  from: Repository,
  to: Repository,
  blob: Descriptor,
  advance: (bytes: number) => void,
): Promise<void> {
  // Unchecked from there: whoever writes a blob compares its digest, and once is enough.
  const content = counted(from.blobs.readFrom(blob.digest, 0), advance)
  await to.blobs.write(blob.digest, blob.size, content).catch((cause: unknown) => {
    throw cause instanceof OciError ? blamed(cause, `${from.name}@${blob.digest}`) : cause
  })
}

/** Where the content was written to is gone by now, and not to blame: where it came from is. */
function blamed(error: OciError, where: string): OciError {
  if (error.code !== 'digest-mismatch' && error.code !== 'size-mismatch') return error
  const hint =
    'that copy was damaged or exchanged: ashlar push it anew, under another version, from where it is good'
  return new OciError(error.code, `a blob is not what the release names: ${error.message}`, {
    ...{ where, hint, cause: error },
  })
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  advance: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    advance(chunk.length)
    yield chunk
  }
}
