import { join } from 'node:path'
import { type Digest, isDigest, isRepository, isTag, mediaType } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import type { ContentStore } from './content-store.ts'
import { OciError } from './errors.ts'
import { withFolderLock } from './folder-lock.ts'
import { isNodeError, orDiskFull } from './incoming-blob.ts'
import { manifestBytesMax } from './limits.ts'
import {
  annotationsOf,
  artifactTypeOf,
  parseAnyManifest,
  parseIndex,
  printIndex,
  referencesOf,
  subjectOf,
} from './manifest.ts'
import { collect, digestOf } from './streams.ts'
import type { Descriptor, Index, ManifestBytes, Repository } from './types.ts'

/** image-spec, "Pre-Defined Annotation Keys": how an image layout names what it holds. */
const refName = 'org.opencontainers.image.ref.name'

/** The name of a repository's folder: no repository name has a `+`, so that each has its own. */
export function folderOfRepository(name: string): string {
  return name.replaceAll('/', '+')
}
export function repositoryOfFolder(folder: string): string {
  return folder.replaceAll('+', '/')
}

/**
 * One repository of the local store, as an OCI image layout in `folder` whose blobs are the store's. Its `index.json`
 * lists what has a tag, every index, and every manifest with a subject; other manifests are there as parts of an index.
 * A tag may be moved: write-once is the rule of what is published, not of what is being made.
 */
export function localRepository(sys: Sys, store: ContentStore, folder: string, name: string): Repository {
  if (!isRepository(name))
    throw new OciError('name-invalid', `${JSON.stringify(name)} is not a repository name`)
  const { blobs } = store
  const list = () => readLayout(sys, folder)

  const byDigest = async (digest: Digest): Promise<ManifestBytes | undefined> => {
    const stat = await blobs.stat(digest)
    if (stat === undefined || stat.sizeBytes > manifestBytesMax) return undefined
    const bytes = await collect(blobs.read(digest), manifestBytesMax)
    return { digest, bytes, mediaType: parseAnyManifest(bytes).mediaType }
  }

  return {
    name,
    blobs,
    async manifest(tagOrDigest) {
      if (isDigest(tagOrDigest)) return byDigest(tagOrDigest)
      const tagged = (await list()).manifests.find((entry) => tagOf(entry) === tagOrDigest)
      return tagged && byDigest(tagged.digest)
    },
    async putManifest(bytes, type, tag) {
      if (tag !== undefined && !isTag(tag))
        throw new OciError('name-invalid', `${JSON.stringify(tag)} is not a tag`)
      const parsed = parseAnyManifest(bytes, type)
      await requireReferences(store, parsed)
      const digest = await blobs.put(bytes)
      if (tag === undefined && parsed.is === 'manifest' && subjectOf(parsed) === undefined) return digest
      const entry = { mediaType: type, digest, size: bytes.length }
      await changeLayout(sys, folder, (index) => withEntry(index, entry, tag))
      return digest
    },
    async referrers(digest, artifactType) {
      const found: Descriptor[] = []
      for (const entry of (await list()).manifests) {
        const bytes = (await byDigest(entry.digest))?.bytes
        if (bytes === undefined) continue
        const referrer = referrerOf(bytes, digest)
        if (referrer === undefined || found.some((other) => other.digest === referrer.digest)) continue
        if (artifactType === undefined || referrer.artifactType === artifactType) found.push(referrer)
      }
      return found
    },
    async tags() {
      return (await list()).manifests.flatMap((entry) => tagOf(entry) ?? []).toSorted()
    },
  }
}

/** The descriptor that the referrers API shows for a manifest, if `subject` is its subject. */
export function referrerOf(bytes: Uint8Array, subject: Digest): Descriptor | undefined {
  const parsed = parseAnyManifest(bytes)
  if (subjectOf(parsed)?.digest !== subject) return undefined
  const artifactType = artifactTypeOf(parsed)
  const annotations = annotationsOf(parsed)
  return {
    mediaType: parsed.mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    ...(annotations !== undefined && { annotations }),
    ...(artifactType !== undefined && { artifactType }),
  }
}

async function requireReferences(
  store: ContentStore,
  parsed: ReturnType<typeof parseAnyManifest>,
): Promise<void> {
  const { blobs, manifests } = referencesOf(parsed)
  for (const { digest, size } of [...blobs, ...manifests]) {
    const stat = await store.blobs.stat(digest)
    if (stat?.sizeBytes !== size)
      throw new OciError(
        'blob-unknown',
        stat === undefined
          ? `the manifest names ${digest}, which is not in the store`
          : `the manifest gives ${digest} ${size} bytes, but it has ${stat.sizeBytes}`,
        { where: store.folder, hint: 'write the blobs before the manifest' },
      )
  }
}

const emptyLayout: Index = { schemaVersion: 2, mediaType: mediaType.index, manifests: [] }

async function readLayout(sys: Sys, folder: string): Promise<Index> {
  try {
    return parseIndex(await sys.disk.readFile(join(folder, 'index.json')))
  } catch (error) {
    if (isNodeError(error, 'ENOENT')) return emptyLayout
    throw error
  }
}

async function changeLayout(sys: Sys, folder: string, change: (index: Index) => Index): Promise<void> {
  const { disk } = sys
  await orDiskFull(folder, async () => {
    await disk.mkdir(folder, { recursive: true })
    await withFolderLock(sys, folder, async () => {
      await disk.symlink('../../blobs', join(folder, 'blobs')).catch((error: unknown) => {
        if (!isNodeError(error, 'EEXIST')) throw error
      })
      await disk.writeDurably(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
      await disk.writeDurably(join(folder, 'index.json'), printIndex(change(await readLayout(sys, folder))))
    })
  })
}

function withEntry(index: Index, entry: Descriptor, tag: string | undefined): Index {
  const others = index.manifests.filter((other) =>
    tag === undefined
      ? other.digest !== entry.digest || tagOf(other) !== undefined
      : tagOf(other) !== tag && (other.digest !== entry.digest || tagOf(other) !== undefined),
  )
  const added = tag === undefined ? entry : { ...entry, annotations: { [refName]: tag } }
  // A digest that has a tag already needs no entry without one.
  const listed = tag === undefined && others.some((other) => other.digest === entry.digest)
  return { ...index, manifests: listed ? others : [...others, added] }
}

function tagOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[refName]
}
