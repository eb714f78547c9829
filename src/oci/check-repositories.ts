import { join } from 'node:path'
import { AshlarError, type Digest, digestHex } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import type { ExpectedBlob, StoreFault } from './check-store.ts'
import { isNodeError } from './incoming-blob.ts'
import { manifestBytesMax } from './limits.ts'
import { repositoryOfFolder } from './local-repository.ts'
import { manifestMediaTypes, parseAnyManifest, parseIndex, referencesOf } from './manifest.ts'
import type { Descriptor } from './types.ts'

interface Walk {
  readonly sys: Sys
  readonly folder: string
  readonly good: ReadonlyMap<Digest, number>
  readonly expected: ExpectedBlob[]
  readonly faults: StoreFault[]
}

/** All that the repositories of a store name, followed as far as their manifests are good. */
export async function expectedOf(
  sys: Sys,
  folder: string,
  good: ReadonlyMap<Digest, number>,
): Promise<Pick<Walk, 'expected' | 'faults'>> {
  const walk: Walk = { sys, folder, good, expected: [], faults: [] }
  const repositories = join(folder, 'repositories')
  for (const name of await namesIn(sys, repositories)) {
    const repository = repositoryOfFolder(name)
    const path = join(repositories, name, 'index.json')
    const seen = new Set<Digest>()
    for (const entry of await readList(walk, repository, path))
      await follow(walk, repository, entry, seen, true)
  }
  return walk
}

async function readList(walk: Walk, repository: string, path: string): Promise<readonly Descriptor[]> {
  try {
    return parseIndex(await walk.sys.disk.readFile(path)).manifests
  } catch (error) {
    // A repository of which nothing was ever put.
    if (isNodeError(error, 'ENOENT')) return []
    if (!(error instanceof AshlarError) && !isNodeError(error, 'EIO')) throw error
    walk.faults.push({
      code: 'repository-unreadable',
      message: `what ${repository} lists cannot be read; its blobs are not touched by that`,
      hint: 'ashlar fsck --mend --yes sets the list aside and takes the tags that the registry has; ashlar build makes the rest anew',
      ...{ where: path, path, repositories: [repository] },
    })
    return []
  }
}

/** What stands in the place of a manifest must be one; what only looks like one, in the place of a blob, need not. */
async function follow(
  walk: Walk,
  repository: string,
  { digest, size, mediaType }: Descriptor,
  seen: Set<Digest>,
  isManifest: boolean,
): Promise<void> {
  if (seen.has(digest)) return
  seen.add(digest)
  walk.expected.push({ repository, digest })
  const path = join(walk.folder, 'blobs', 'sha256', digestHex(digest))
  const sizeBytes = walk.good.get(digest)
  if (
    sizeBytes === undefined ||
    (sizeBytes === size && !(isManifest && manifestMediaTypes.includes(mediaType)))
  )
    return
  try {
    if (sizeBytes !== size)
      throw new AshlarError('size-mismatch', `what names it gives it ${size} bytes, and it has ${sizeBytes}`)
    if (size > manifestBytesMax)
      throw new AshlarError('content-too-large', `it has more than ${manifestBytesMax} bytes`)
    const { blobs, manifests } = referencesOf(parseAnyManifest(await walk.sys.disk.readFile(path)))
    for (const blob of blobs) await follow(walk, repository, blob, seen, false)
    for (const manifest of manifests) await follow(walk, repository, manifest, seen, true)
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error
    walk.faults.push({
      code: 'manifest-malformed',
      message: `${repository} does not hold together at ${digest}: ${error.message}`,
      hint: 'was it made by another tool? Make the release anew: ashlar build FOLDER',
      ...{ where: path, path, digest, repositories: [repository] },
    })
  }
}

/** Sorted, so that two checks say the same; none where there is no such folder. */
export async function namesIn(sys: Sys, folder: string): Promise<readonly string[]> {
  try {
    return (await sys.disk.readdir(folder)).toSorted()
  } catch (error) {
    if (isNodeError(error, 'ENOENT')) return []
    throw error
  }
}
