import { join } from 'node:path'
import { AshlarError, type Digest } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import type { StoreBlobs } from './content-store.ts'
import type { RepositoryReader } from './types.ts'

/**
 * Takes a damaged file out of a store's sight and keeps it: who asks for it then hears that it is missing, fetches or
 * pushes it again, and never gets the wrong bytes. Gives the place where it lies now.
 */
export async function setAside(sys: Sys, folder: string, path: string): Promise<string> {
  const quarantine = join(folder, 'quarantine')
  await sys.disk.mkdir(quarantine, { recursive: true, mode: 0o700 })
  // Drawn by lot: what lies there from an earlier time is not written over.
  const lot = Buffer.from(sys.random.bytes(4)).toString('hex')
  const kept = join(quarantine, `${path.slice(folder.length + 1).replaceAll('/', '+')}.${lot}`)
  await sys.disk.rename(path, kept)
  await sys.disk.syncFolder(quarantine)
  return kept
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
