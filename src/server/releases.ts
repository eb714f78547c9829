import type { Release } from '../api/index.ts'
import { AshlarError, type Digest, isDigest, mediaType, type ReleaseDocument } from '../core/index.ts'
import { releaseName } from '../fleet/index.ts'
import {
  type ContentStore,
  collect,
  manifestBytesMax,
  type RepositoryReader,
  readRelease,
} from '../oci/index.ts'
import type { RegistryIndex, StoredManifest } from '../registry/index.ts'
import type { Store } from '../store/index.ts'

/** Makes a Release resource of each release that is pushed. An index that is no release of ours is only kept. */
export function releaseRegistrar(content: ContentStore, store: Store) {
  return async (stored: StoredManifest): Promise<void> => {
    if (stored.mediaType !== mediaType.index) return
    if ((await store.get('Release', releaseName(stored.digest))) !== undefined) return
    const repository = pushedRepository(content, store.registryIndex, stored.repository)
    const document = await documentOf(repository, stored.digest)
    if (document === undefined) return
    const put = resourceOf(stored, document)
    const { name, version } = document
    const detail = { digest: stored.digest, repository: stored.repository, name, version, tag: stored.tag }
    await store
      .commit({ changes: [{ put, actor: stored.actor, action: 'release.register', detail }] })
      .catch((error: unknown) => {
        // Somebody else pushed the same release at the same time: it is registered.
        if (!(error instanceof AshlarError && error.code === 'conflict')) throw error
      })
  }
}

async function documentOf(
  repository: RepositoryReader,
  digest: Digest,
): Promise<ReleaseDocument | undefined> {
  try {
    return (await readRelease(repository, digest)).document
  } catch (error) {
    if (error instanceof AshlarError && error.code === 'release-malformed') return undefined
    throw error
  }
}

function resourceOf({ digest, repository }: StoredManifest, document: ReleaseDocument): Release {
  const { name: image, version, counter, floor } = document
  return {
    apiVersion: 'ashlar/v1',
    kind: 'Release',
    metadata: { name: releaseName(digest), labels: {} },
    spec: { digest, repository, image, version, counter, floor },
  }
}

/** A repository of the registry, as far as reading a release goes: its manifests lie in the content store like any blob. */
function pushedRepository({ blobs }: ContentStore, index: RegistryIndex, name: string): RepositoryReader {
  return {
    name,
    blobs,
    async manifest(digest) {
      const record = isDigest(digest) ? await index.manifest(name, digest) : undefined
      if (record === undefined) return undefined
      const bytes = await collect(blobs.read(record.digest), manifestBytesMax)
      return { mediaType: record.mediaType, digest: record.digest, bytes }
    },
  }
}
