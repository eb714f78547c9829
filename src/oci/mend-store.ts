import { dirname, join } from 'node:path'
import { AshlarError, type Digest } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import type { ContentStore, StoreBlobs } from './content-store.ts'
import { folderOfRepository, localRepository } from './local-repository.ts'
import type { Repository, RepositoryReader } from './types.ts'

/**
 * Takes a damaged file out of a store's sight and keeps it: who asks for it then hears that it is missing, fetches or
 * pushes it again, and never gets the wrong bytes. Gives the place where it lies now.
 */
export async function setAside(sys: Sys, folder: string, path: string): Promise<string> {
  const kept = await placeAside(sys, folder, path)
  await sys.disk.rename(path, kept)
  await sys.disk.syncFolder(dirname(kept))
  return kept
}

async function placeAside(sys: Sys, folder: string, path: string): Promise<string> {
  const quarantine = join(folder, 'quarantine')
  await sys.disk.mkdir(quarantine, { recursive: true, mode: 0o700 })
  // What lies there from an earlier time is not written over.
  return join(quarantine, `${path.slice(folder.length + 1).replaceAll('/', '+')}.${drawLot(sys)}`)
}

function drawLot(sys: Sys): string {
  return Buffer.from(sys.random.bytes(4)).toString('hex')
}

/**
 * Puts another list in the place of one that cannot be read, which is set aside. `fill` puts into the repository that it
 * is given what is to be listed. The old list stays until the new one is whole: after a kill it is found again.
 */
export async function listAnew(
  sys: Sys,
  store: ContentStore,
  name: string,
  fill: (repository: Repository) => Promise<void>,
): Promise<string> {
  // As a blob on its way in: what a killed process leaves there is removed.
  const work = join(store.folder, 'incoming', `${process.pid}.${drawLot(sys)}`)
  const repository = join(store.folder, 'repositories', folderOfRepository(name))
  const list = join(repository, 'index.json')
  try {
    await sys.disk.mkdir(work)
    await fill(localRepository(sys, store, work, name))
    const kept = await placeAside(sys, store.folder, list)
    await sys.disk.link(list, kept)
    await sys.disk.syncFolder(dirname(kept))
    const made = (await sys.disk.readdir(work)).includes('index.json')
    await (made ? sys.disk.rename(join(work, 'index.json'), list) : sys.disk.unlink(list))
    await sys.disk.syncFolder(repository)
    return kept
  } finally {
    await sys.disk.rm(work, { recursive: true, force: true })
  }
}

/**
 * Brings a blob or manifest into a store from the first place that has it whole. Gives that place's name, or the last
 * reason why there was none. What arrives is compared with the digest, so that no place need be trusted.
 */
export async function fetchAgain(
  blobs: StoreBlobs,
  digest: Digest,
  places: readonly RepositoryReader[],
): Promise<
  { readonly is: 'fetched'; readonly from: string } | { readonly is: 'not-had'; readonly why: string }
> {
  let why = 'no place that is known here has it'
  for (const place of places)
    try {
      if (await fetchFrom(blobs, digest, place)) return { is: 'fetched', from: place.name }
    } catch (error) {
      if (!(error instanceof AshlarError) || error.code === 'disk-full') throw error
      why = error.message
    }
  return { is: 'not-had', why }
}

async function fetchFrom(blobs: StoreBlobs, digest: Digest, place: RepositoryReader): Promise<boolean> {
  const stat = await place.blobs.stat(digest)
  if (stat !== undefined) {
    await blobs.write(digest, stat.sizeBytes, place.blobs.readFrom(digest, 0))
    return true
  }
  const manifest = await place.manifest(digest)
  if (manifest !== undefined) await blobs.put(manifest.bytes)
  return manifest !== undefined
}
