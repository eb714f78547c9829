import { join } from 'node:path'
import type { Digest } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import {
  beginBlob,
  blobPath,
  type IncomingBlob,
  isNodeError,
  removeLeftovers,
  type StorePaths,
} from './incoming-blob.ts'
import { readBytes } from './limits.ts'
import { folderOfRepository, localRepository, repositoryOfFolder } from './local-repository.ts'
import { type BlobContent, streamOf, verifying } from './streams.ts'
import type { BlobReader, BlobWriter, Repository } from './types.ts'

/** Blobs by digest in a folder, and the local repositories over them. */
export interface ContentStore {
  readonly folder: string
  readonly blobs: StoreBlobs
  repository(name: string): Repository
  /** Names of the repositories that hold something. */
  repositories(): Promise<readonly string[]>
}

export interface StoreBlobs extends BlobReader, BlobWriter {
  /** Where the blob's file lies, for programs that want a path. It is not checked; never write to it. */
  path(digest: Digest): string
  /** A blob that arrives in pieces. */
  begin(): Promise<IncomingBlob>
  /** Stores a stream whose digest is not known before. */
  ingest(content: AsyncIterable<Uint8Array>): Promise<BlobContent>
  put(bytes: Uint8Array): Promise<Digest>
}

/**
 * Opens the store in `folder` and makes it if it is not there. Several processes may use it at once: a blob is written
 * under a name of its own and appears whole, by a rename. What killed writers left is removed here.
 */
export async function openContentStore(sys: Sys, folder: string): Promise<ContentStore> {
  const paths = { incoming: join(folder, 'incoming'), blobs: join(folder, 'blobs', 'sha256') }
  const repositories = join(folder, 'repositories')
  for (const path of [paths.incoming, paths.blobs, repositories])
    await sys.disk.mkdir(path, { recursive: true })
  await removeLeftovers(sys, paths.incoming)
  const store: ContentStore = {
    folder,
    blobs: storeBlobs(sys, paths),
    repository: (name) => localRepository(sys, store, join(repositories, folderOfRepository(name)), name),
    repositories: async () => (await sys.disk.readdir(repositories)).map(repositoryOfFolder).toSorted(),
  }
  return store
}

function storeBlobs(sys: Sys, paths: StorePaths): StoreBlobs {
  const path = (digest: Digest) => blobPath(paths, digest)
  const begin = () => beginBlob(sys, paths)
  const store = async (
    content: AsyncIterable<Uint8Array>,
    expected: { readonly digest?: Digest; readonly sizeBytes?: number },
  ) => {
    const incoming = await begin()
    try {
      await incoming.append(content)
    } catch (error) {
      await incoming.discard()
      throw error
    }
    return incoming.commit(expected)
  }
  return {
    path,
    begin,
    stat: (digest) => statBlob(sys, path(digest)),
    read: (digest) => verifying(readFile(sys, path(digest), digest, 0), { digest }, path(digest)),
    readFrom: (digest, from, to) => readFile(sys, path(digest), digest, from, to),
    async write(digest, sizeBytes, content) {
      await store(content, { digest, sizeBytes })
    },
    ingest: (content) => store(content, {}),
    put: async (bytes) => (await store(streamOf(bytes), {})).digest,
  }
}

async function statBlob(sys: Sys, path: string): Promise<{ readonly sizeBytes: number } | undefined> {
  try {
    return { sizeBytes: (await sys.disk.stat(path)).size }
  } catch (error) {
    if (isNodeError(error, 'ENOENT')) return undefined
    throw error
  }
}

async function* readFile(
  sys: Sys,
  path: string,
  digest: Digest,
  from: number,
  to = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  if (to <= from) return
  const file = await sys.disk.open(path, 'r').catch((cause: unknown) => {
    if (!isNodeError(cause, 'ENOENT')) throw cause
    throw new OciError('blob-unknown', `there is no blob ${digest}`, { where: path, cause })
  })
  // The stream closes the file, also when its reader stops early.
  yield* file.createReadStream({ start: from, end: to - 1, highWaterMark: readBytes })
}
