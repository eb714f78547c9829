import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Digest, digestFromHex, digestHex } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import { leftoverAgeMs } from './limits.ts'
import { isAlive } from './process-alive.ts'
import { type BlobContent, expectContent } from './streams.ts'

/** A blob on its way into the store. It becomes visible, whole and durable, with `commit`, or never. */
export interface IncomingBlob {
  /** Not to be guessed: 32 hex digits. */
  readonly id: string
  /** Bytes that are written so far. */
  readonly sizeBytes: number
  /** What arrived before an error of `content` stays, so that a sender can go on from `sizeBytes`. @throws OciError `disk-full` */
  append(content: AsyncIterable<Uint8Array>): Promise<void>
  /** @throws OciError `digest-mismatch`, `size-mismatch`; then nothing was stored and the blob is discarded */
  commit(expected?: { readonly digest?: Digest; readonly sizeBytes?: number }): Promise<BlobContent>
  discard(): Promise<void>
}

/** Where the parts of a store lie. */
export interface StorePaths {
  readonly incoming: string
  readonly blobs: string
}

export function blobPath(paths: StorePaths, digest: Digest): string {
  return join(paths.blobs, digestHex(digest))
}

export async function beginBlob(sys: Sys, paths: StorePaths): Promise<IncomingBlob> {
  const id = Buffer.from(sys.random.bytes(16)).toString('hex')
  const temporary = join(paths.incoming, `${process.pid}.${id}`)
  await orDiskFull(temporary, () => sys.disk.writeFile(temporary, '', { flag: 'wx', mode: 0o644 }))
  const hash = createHash('sha256')
  let sizeBytes = 0
  let state: 'open' | 'appending' | 'ended' = 'open'
  // A byte that is written but not hashed would be stored under a wrong name: only a bug could let one in.
  const move = (from: typeof state, to: typeof state) => {
    if (state !== from) throw new Error(`the incoming blob is ${state}, not ${from}`)
    state = to
  }
  const discard = async () => {
    state = 'ended'
    await sys.disk.rm(temporary, { force: true })
  }
  return {
    id,
    get sizeBytes() {
      return sizeBytes
    },
    discard,
    async append(content) {
      move('open', 'appending')
      try {
        await withFile(sys, temporary, async (file) => {
          for await (const chunk of content) {
            await writeWhole(file, sizeBytes, chunk, temporary)
            hash.update(chunk)
            sizeBytes += chunk.length
          }
        })
      } finally {
        move('appending', 'open')
      }
    },
    async commit(expected = {}) {
      move('open', 'ended')
      const actual = { digest: digestFromHex(hash.digest('hex')), sizeBytes }
      const path = blobPath(paths, actual.digest)
      try {
        expectContent(actual, expected, temporary)
        await orDiskFull(temporary, async () => {
          await withFile(sys, temporary, async (file) => {
            // A write that failed in the middle may have left bytes that were never counted.
            await file.truncate(sizeBytes)
            await file.sync()
          })
          // A blob that is there already is replaced: the same content, and whole again should the old file have rotted.
          await sys.disk.rename(temporary, path)
        })
      } catch (error) {
        await discard()
        throw error
      }
      await sys.disk.syncFolder(dirname(path))
      return actual
    },
  }
}

/** Opened for one step at a time: an upload that nobody goes on with holds no file open. */
async function withFile(sys: Sys, path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await sys.disk.open(path, 'r+')
  try {
    await work(file)
  } finally {
    await file.close()
  }
}

/** At a stated place, so that what a failed write left behind is written over. */
async function writeWhole(file: FileHandle, at: number, chunk: Uint8Array, where: string): Promise<void> {
  await orDiskFull(where, async () => {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done)
      done += bytesWritten
    }
  })
}

/** @throws OciError `disk-full` */
export async function orDiskFull<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!isNodeError(cause, 'ENOSPC') && !isNodeError(cause, 'EDQUOT')) throw cause
    throw new OciError('disk-full', 'there is no space left in the store', {
      where,
      cause,
      hint: `make room, see df -h ${dirname(where)}`,
    })
  }
}

/** Removes what killed writers left. */
export async function removeLeftovers(sys: Sys, folder: string): Promise<void> {
  for (const name of await sys.disk.readdir(folder)) {
    const path = join(folder, name)
    if (await isLeftover(sys, path)) await sys.disk.rm(path, { recursive: true, force: true })
  }
}

/** Whether the writer of a file under `incoming/` was killed: its process is gone, or the file is a day old. */
export async function isLeftover(sys: Sys, path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await sys.disk.stat(path)
    return !isAlive(sys, Number(basename(path).split('.')[0])) || sys.clock.now() - mtimeMs > leftoverAgeMs
  } catch (error) {
    // Its writer has just finished.
    if (isNodeError(error, 'ENOENT')) return false
    throw error
  }
}

export function isNodeError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
