import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Digest, digestFromHex, digestHex } from '../core/index.ts'
import { DiskError, unpackFrames, whenThere } from '../disk/index.ts'
import { type Descriptor, OciError, type Repository, verifying } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { Refusal } from './errors.ts'
import { readFrom } from './files.ts'

export interface Download {
  readonly sys: Sys
  readonly repository: Repository
  readonly blob: Descriptor
  /** Digest and size of what the blob unpacks to. */
  readonly content: { readonly digest: Digest; readonly sizeBytes: number }
  /** Where blobs lie as far as they were fetched. */
  readonly folder: string
  readonly onBytes: (done: number) => void
}

/** Bytes that are there from an earlier attempt: of a blob, or of whatever else has this digest for a name. */
export async function heldBytes(sys: Sys, folder: string, blob: Digest): Promise<number> {
  return (await whenThere(sys.disk.stat(partialPath(folder, blob))))?.size ?? 0
}

/** Bytes that all attempts have left there. Those of others are given back before this one needs their room. */
export async function keptBytes(sys: Sys, folder: string): Promise<number> {
  const names = (await whenThere(sys.disk.readdir(folder))) ?? []
  const stats = await Promise.all(names.map((name) => whenThere(sys.disk.stat(join(folder, name)))))
  return stats.reduce((sum, stat) => sum + (stat?.size ?? 0), 0)
}

/**
 * Fetches a blob and hands its unpacked content to `write` as it comes. What arrives is kept, so that a cut connection
 * or a killed agent goes on with a range from there; the beginning is read and hashed again. Blob and content are
 * hashed while they pass. @throws Refusal `blob-digest-mismatch`, `content-digest-mismatch`
 */
export async function fetchUnpacked(
  download: Download,
  write: (content: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const { sys, blob, folder } = download
  const path = partialPath(folder, blob.digest)
  await forgetOthers(sys, path)
  const resumed = (await heldBytes(sys, folder, blob.digest)) > 0
  try {
    await unpack(download, write, resumed)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    await sys.disk.rm(path, { force: true })
    // The beginning may have been damaged where it lay, by a crash for instance: once more, all of it from the registry.
    if (!resumed) throw error
    await unpack(download, write, false)
  }
  await sys.disk.rm(path, { force: true })
}

async function unpack(
  download: Download,
  write: (content: AsyncIterable<Uint8Array>) => Promise<void>,
  resumed: boolean,
): Promise<void> {
  try {
    await pipeline(
      Readable.from(fetchBlob(download), { objectMode: false }),
      unpackFrames,
      (plain: AsyncIterable<Uint8Array>) => write(verifying(plain, download.content, 'root image')),
    )
  } catch (error) {
    if (error instanceof OciError && (error.code === 'digest-mismatch' || error.code === 'size-mismatch'))
      throw new Refusal({ code: 'content-digest-mismatch', message: error.message })
    if (!isUnpackError(error)) throw error
    // What does not unpack is most likely not the blob that was named: the digest of all of it tells. Where its
    // beginning lay on disk, that is no fault of the registry's yet, and the caller begins anew.
    if (!resumed) for await (const _ of fetchBlob(download));
    throw new Refusal({
      code: 'content-digest-mismatch',
      message: `the root image does not unpack: ${error.message}`,
    })
  }
}

/** The whole blob: first what lies on disk, then the rest. The repository asks again after short cuts by itself. */
async function* fetchBlob({ sys, repository, blob, folder, onBytes }: Download): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let done = 0
  async function* rest(from: number): AsyncGenerator<Uint8Array> {
    let fetched = from
    for await (const chunk of repository.blobs.readFrom(blob.digest, from)) {
      fetched += chunk.length
      if (fetched > blob.size) throw tooLong(blob)
      onBytes(fetched)
      yield chunk
    }
  }
  for await (const chunk of keeping(sys, partialPath(folder, blob.digest), blob.size, rest)) {
    hash.update(chunk)
    done += chunk.length
    yield chunk
  }
  if (done < blob.size)
    throw new OciError('registry-unreachable', `${blob.digest} ended after ${done} of ${blob.size} bytes`)
  const actual = digestFromHex(hash.digest('hex'))
  if (actual !== blob.digest)
    throw new Refusal({ code: 'blob-digest-mismatch', message: `the blob is ${actual}, not ${blob.digest}` })
}

/** What lies in the file, at most `sizeBytes`, then the rest, which is kept there as it comes: a killed agent goes on behind it. */
export async function* keeping(
  sys: Sys,
  path: string,
  sizeBytes: number,
  rest: (from: number) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  await sys.disk.mkdir(dirname(path), { recursive: true })
  let done = 0
  if ((await whenThere(sys.disk.stat(path))) !== undefined)
    for await (const chunk of readFrom(sys, path, sizeBytes)) {
      done += chunk.length
      yield chunk
    }
  if (done === sizeBytes) return
  const file = await sys.disk.open(path, 'a', 0o600)
  try {
    for await (const chunk of rest(done)) {
      await file.appendFile(chunk)
      yield chunk
    }
  } finally {
    await file.close()
  }
}

function isUnpackError(error: unknown): error is DiskError {
  return error instanceof DiskError && error.code === 'frame-malformed'
}

function tooLong({ digest, size }: Descriptor): Refusal {
  return new Refusal({
    code: 'blob-digest-mismatch',
    message: `${digest} is longer than the ${size} bytes it must have`,
  })
}

export function partialPath(folder: string, blob: Digest): string {
  return join(folder, `${digestHex(blob)}.part`)
}

/** Beginnings of other blobs: orders that came to nothing. */
export async function forgetOthers(sys: Sys, path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of (await whenThere(sys.disk.readdir(folder))) ?? [])
    if (join(folder, name) !== path) await sys.disk.rm(join(folder, name), { recursive: true, force: true })
}
