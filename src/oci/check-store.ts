import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Digest,
  digestFromHex,
  digestHex,
  type Finding,
  isDigest,
  type Progress,
} from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { expectedOf, namesIn } from './check-repositories.ts'
import { isLeftover, isNodeError } from './incoming-blob.ts'
import { checkedAtOnceMax, readBytes } from './limits.ts'

export type StoreFaultCode =
  /** The content is not what the name says. */
  | 'blob-damaged'
  /** A repository names it, and it is not there. */
  | 'blob-missing'
  /** A file among the blobs whose name is no digest. */
  | 'blob-misnamed'
  /** What a repository lists cannot be read. */
  | 'repository-unreadable'
  /** Whole, and yet not the manifest that it must be, or one that gives a blob another size. */
  | 'manifest-malformed'
  /** What a killed writer left. */
  | 'leftover'

export interface StoreFault extends Finding {
  readonly code: StoreFaultCode
  /** The file; of a missing blob the one that it would be. */
  readonly path: string
  readonly digest?: Digest
  /** Those that name the blob, as far as manifests that name it can be read. */
  readonly repositories?: readonly string[]
}

/** A blob that must be there. */
export interface ExpectedBlob {
  readonly repository: string
  readonly digest: Digest
}

export interface StoreCheck {
  readonly faults: readonly StoreFault[]
  /** Blobs that are what their names say, with their sizes. */
  readonly good: ReadonlyMap<Digest, number>
  /** Bytes that were read to find that out. */
  readonly bytesRead: number
}

export interface CheckOptions {
  /** Blobs that the owner of the store says must be there, beside those that its own repositories list. */
  readonly expected?: readonly ExpectedBlob[]
  /** Blobs that were found good a moment ago and are not read again. */
  readonly known?: ReadonlyMap<Digest, number>
  /** Name of the step. */
  readonly step: string
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/**
 * Compares every blob of a store with its digest, and what its repositories list with what is there. It changes nothing,
 * and may run while others read and write: what is being written lies elsewhere until it is whole.
 */
export async function checkStore(sys: Sys, folder: string, options: CheckOptions): Promise<StoreCheck> {
  const files = await listBlobs(sys, join(folder, 'blobs', 'sha256'))
  const hashed = await hashAll(sys, files, options)
  const { good, damaged } = hashed
  const listed = await expectedOf(sys, folder, good)
  const needed = byDigest([...(options.expected ?? []), ...listed.expected])
  const faults: StoreFault[] = files.misnamed.map((path) => ({
    code: 'blob-misnamed',
    message: 'its name is no digest: nothing of Ashlar reads it',
    ...{ where: path, path, hint: `look at it, then remove it: rm ${path}` },
  }))
  for (const [digest, path] of damaged)
    faults.push(blobFault('blob-damaged', digest, path, needed.get(digest)))
  for (const [digest, wanted] of needed) {
    const path = join(folder, 'blobs', 'sha256', digestHex(digest))
    if (!damaged.has(digest) && !good.has(digest))
      faults.push(blobFault('blob-missing', digest, path, wanted))
  }
  return {
    faults: [...faults, ...listed.faults, ...(await leftovers(sys, join(folder, 'incoming')))],
    good,
    bytesRead: hashed.bytesRead,
  }
}

interface BlobFiles {
  readonly blobs: ReadonlyMap<Digest, { readonly path: string; readonly sizeBytes: number }>
  readonly misnamed: readonly string[]
}

async function listBlobs(sys: Sys, folder: string): Promise<BlobFiles> {
  const blobs = new Map<Digest, { readonly path: string; readonly sizeBytes: number }>()
  const misnamed: string[] = []
  for (const name of await namesIn(sys, folder)) {
    const path = join(folder, name)
    const digest = `sha256:${name}`
    if (isDigest(digest)) blobs.set(digest, { path, sizeBytes: (await sys.disk.stat(path)).size })
    else misnamed.push(path)
  }
  return { blobs, misnamed }
}

async function hashAll(sys: Sys, { blobs }: BlobFiles, options: CheckOptions) {
  const { known = new Map<Digest, number>(), step, progress, signal } = options
  const good = new Map<Digest, number>()
  const damaged = new Map<Digest, string>()
  const queue: [Digest, string][] = []
  let total = 0
  for (const [digest, { path, sizeBytes }] of blobs)
    if (known.get(digest) === sizeBytes) good.set(digest, sizeBytes)
    else {
      queue.push([digest, path])
      total += sizeBytes
    }
  let done = 0
  const advance = (bytes: number) => {
    signal?.throwIfAborted()
    done += bytes
    progress({ step, done, total: Math.max(done, total), unit: 'bytes' })
  }
  // One processor hashes as fast as most disks read; a second file under way keeps the disk busy meanwhile.
  const left = queue.values()
  const worker = async () => {
    const pieces = [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)] as const
    for (const [digest, path] of left) {
      const actual = await hashFile(sys, path, pieces, advance)
      if (actual?.digest === digest) good.set(digest, actual.sizeBytes)
      else if (actual !== undefined) damaged.set(digest, path)
    }
  }
  await Promise.all(Array.from({ length: checkedAtOnceMax }, worker))
  return { good, damaged, bytesRead: done }
}

/** Undefined where the file has gone meanwhile. A disk that fails to give it (EIO) has damaged it. */
async function hashFile(
  sys: Sys,
  path: string,
  pieces: readonly [Buffer, Buffer],
  advance: (bytes: number) => void,
): Promise<{ readonly digest: Digest | undefined; readonly sizeBytes: number } | undefined> {
  let sizeBytes = 0
  try {
    const file = await sys.disk.open(path, 'r')
    try {
      const hash = createHash('sha256')
      // While one piece is hashed the next is read.
      let reading = file.read(pieces[0], 0, readBytes, null)
      for (let turn = 1; ; turn++) {
        const { bytesRead, buffer } = await reading
        if (bytesRead === 0) return { digest: digestFromHex(hash.digest('hex')), sizeBytes }
        reading = file.read(pieces[turn % 2 === 0 ? 0 : 1], 0, readBytes, null)
        hash.update(buffer.subarray(0, bytesRead))
        sizeBytes += bytesRead
        advance(bytesRead)
      }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isNodeError(error, 'ENOENT')) return undefined
    if (isNodeError(error, 'EIO') || isNodeError(error, 'EISDIR')) return { digest: undefined, sizeBytes }
    throw error
  }
}

function blobFault(
  code: 'blob-damaged' | 'blob-missing',
  digest: Digest,
  path: string,
  wanted: readonly ExpectedBlob[] = [],
): StoreFault {
  const repositories = [...new Set(wanted.map(({ repository }) => repository))]
  const by = repositories.length === 0 ? 'no repository names it' : `${repositories.join(', ')} names it`
  return {
    code,
    message:
      code === 'blob-damaged'
        ? `${digest} is not what its name says; ${by}`
        : `${digest} is not there; ${by}`,
    hint:
      repositories.length === 0
        ? 'ashlar fsck --mend --yes sets it aside; where a lock names it, ashlar lock --keep FOLDER then fetches it again'
        : 'ashlar fsck --mend --yes fetches it again where it can be had; ashlar build FOLDER makes a release anew',
    ...{ where: path, path, digest, repositories },
  }
}

async function leftovers(sys: Sys, folder: string): Promise<readonly StoreFault[]> {
  const found: StoreFault[] = []
  for (const name of await namesIn(sys, folder)) {
    const path = join(folder, name)
    if (await isLeftover(sys, path))
      found.push({
        code: 'leftover',
        message: 'a writer that was killed left it',
        ...{ where: path, path, hint: 'ashlar fsck --mend --yes removes it; so does the next ashlar build' },
      })
  }
  return found
}

function byDigest(blobs: readonly ExpectedBlob[]): Map<Digest, ExpectedBlob[]> {
  const all = new Map<Digest, ExpectedBlob[]>()
  for (const blob of blobs) {
    const known = all.get(blob.digest)
    if (known === undefined) all.set(blob.digest, [blob])
    else known.push(blob)
  }
  return all
}
