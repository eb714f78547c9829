import { gzipSync } from 'node:zlib'
import {
  type Architecture,
  type Digest,
  mediaType,
  printReleaseDocument,
  type ReleaseDocument,
} from '../core/index.ts'
import { OciError } from './errors.ts'
import { printIndex, printManifest } from './manifest.ts'
import { architectureAnnotation, noPlatform } from './release.ts'
import { digestOf, streamOf } from './streams.ts'
import type { Descriptor, Repository } from './types.ts'

export interface ReleaseParts {
  readonly document: ReleaseDocument
  /** Container images whose manifests are in the repository. */
  readonly images: readonly { readonly architecture: Architecture; readonly manifest: Digest }[]
  /** Disk forms whose blobs are in the repository: compressed, under the media types of `core/media-types.ts`. */
  readonly disks: readonly {
    readonly architecture: Architecture
    readonly root: Descriptor
    readonly verity: Descriptor
    readonly boot: Descriptor
  }[]
  readonly tag?: string
}

/**
 * Writes a release's manifests and its index, and returns its digest. Equal parts in whatever order give the same
 * digest. @throws OciError `manifest-unknown` for an image that is not there, and what the repository throws
 */
export async function assembleRelease(repository: Repository, parts: ReleaseParts): Promise<Digest> {
  const config = await putEmptyConfig(repository)
  const images: Descriptor[] = []
  for (const { architecture, manifest } of parts.images.toSorted(byArchitecture))
    images.push(await imageEntry(repository, architecture, manifest))
  const disks: Descriptor[] = []
  for (const { architecture, root, verity, boot } of parts.disks.toSorted(byArchitecture))
    disks.push(
      await putPart(repository, {
        artifactType: mediaType.disk,
        config,
        layers: [root, verity, boot],
        annotations: { [architectureAnnotation]: architecture },
      }),
    )
  const release = await putPart(repository, {
    artifactType: mediaType.release,
    config,
    layers: [await putDocument(repository, parts.document)],
  })
  const index = printIndex({
    schemaVersion: 2,
    mediaType: mediaType.index,
    manifests: [...images, ...disks, release],
  })
  return repository.putManifest(index, mediaType.index, parts.tag)
}

/** image-spec, "Guidance for an Empty Descriptor": the config of a manifest that has none. */
export async function putEmptyConfig(repository: Repository): Promise<Descriptor> {
  return putBlob(repository, Buffer.from('{}'), mediaType.empty)
}

/** Stores a small blob, unless it is there. */
export async function putBlob(repository: Repository, bytes: Uint8Array, type: string): Promise<Descriptor> {
  const digest = digestOf(bytes)
  if ((await repository.blobs.stat(digest)) === undefined)
    await repository.blobs.write(digest, bytes.length, streamOf(bytes))
  return { mediaType: type, digest, size: bytes.length }
}

async function imageEntry(
  repository: Repository,
  architecture: Architecture,
  digest: Digest,
): Promise<Descriptor> {
  const found = await repository.manifest(digest)
  if (found === undefined)
    throw new OciError('manifest-unknown', `there is no image ${digest} in ${repository.name}`, {
      where: repository.name,
    })
  return {
    mediaType: found.mediaType,
    digest,
    size: found.bytes.length,
    platform: { architecture, os: 'linux' },
  }
}

async function putDocument(repository: Repository, document: ReleaseDocument): Promise<Descriptor> {
  // Level 0, "stored": gzip is there for copiers that rewrite what is not compressed. What another level gives differs
  // from processor to processor (zlib's vector code), and the release's digest with it.
  const blob = gzipSync(printReleaseDocument(document), { level: 0 })
  return putBlob(repository, blob, mediaType.releaseDocument)
}

async function putPart(
  repository: Repository,
  part: {
    readonly artifactType: string
    readonly config: Descriptor
    readonly layers: readonly Descriptor[]
    readonly annotations?: Readonly<Record<string, string>>
  },
): Promise<Descriptor> {
  const bytes = printManifest({ schemaVersion: 2, mediaType: mediaType.manifest, ...part })
  const digest = await repository.putManifest(bytes, mediaType.manifest)
  return { mediaType: mediaType.manifest, digest, size: bytes.length, platform: noPlatform }
}

function byArchitecture(a: { readonly architecture: string }, b: { readonly architecture: string }): number {
  return a.architecture < b.architecture ? -1 : 1
}
