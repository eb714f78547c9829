import { gunzipSync } from 'node:zlib'
import {
  type Architecture,
  AshlarError,
  architectures,
  type Digest,
  mediaType,
  parseReleaseDocument,
  type ReleaseDocument,
} from '../core/index.ts'
import { OciError } from './errors.ts'
import { documentBytesMax, releaseManifestsMax } from './limits.ts'
import { parseIndex, parseManifest } from './manifest.ts'
import { collect, digestOf, verifying } from './streams.ts'
import type { Descriptor, Manifest, ManifestBytes, RepositoryReader } from './types.ts'

/** In a disk manifest: the architecture that it boots. Its descriptor cannot say so, see {@link noPlatform}. */
export const architectureAnnotation = 'dev.ashlar.architecture'
/** Of what is no image: a container tool never picks it. */
export const noPlatform = { architecture: 'unknown', os: 'unknown' }

/** A release as it was read: every byte of it led back to the release's digest. */
export interface OciRelease {
  readonly digest: Digest
  readonly document: ReleaseDocument
  /** The three files that a node keeps beside the root image, as fetched; {@link readReleaseFiles} reads them. */
  readonly files: ReleaseFiles
  /** Manifest of the container image; undefined where the release has none for that architecture. */
  image(architecture: Architecture): Descriptor | undefined
  disk(architecture: Architecture): OciDisk | undefined
}

/** The blobs of a machine's form; sizes and digests are those of the compressed blobs. */
export interface OciDisk {
  readonly manifest: ManifestBytes
  readonly root: Descriptor
  readonly verity: Descriptor
  readonly boot: Descriptor
}

export interface ReleaseFiles {
  /** The OCI index: its digest is the release's. */
  readonly index: Uint8Array
  /** The manifest of the release document, listed in the index. */
  readonly manifest: Uint8Array
  /** The one layer of that manifest, as stored: gzip. */
  readonly document: Uint8Array
}

/**
 * Reads a release from a repository and checks each step from its digest down to document and disk manifests. Images and
 * disk blobs are not fetched. @throws OciError `manifest-unknown`, `release-malformed`, `digest-mismatch`, and what the repository throws
 */
export async function readRelease(repository: RepositoryReader, digest: Digest): Promise<OciRelease> {
  const index = await requireManifest(repository, digest)
  const entries = entriesOf(index.bytes, digest)
  const children: { readonly bytes: ManifestBytes; readonly manifest: Manifest }[] = []
  for (const entry of entries.filter(isNoImage)) {
    const bytes = await requireManifest(repository, entry.digest)
    children.push({ bytes, manifest: manifestOf(bytes.bytes, entry.digest) })
  }
  const ofType = (type: string) => children.filter(({ manifest }) => manifest.artifactType === type)
  const [release, ...more] = ofType(mediaType.release)
  if (release === undefined || more.length > 0)
    throw malformed(digest, 'its index does not list exactly one release document')
  const layer = documentLayer(release.manifest, digest)
  const content = verifying(repository.blobs.readFrom(layer.digest, 0), sized(layer), repository.name)
  const files = {
    index: index.bytes,
    manifest: release.bytes.bytes,
    document: await collect(content, documentBytesMax),
  }
  const document = readReleaseFiles(files, digest)
  const disks = new Map(ofType(mediaType.disk).map(({ bytes, manifest }) => diskOf(bytes, manifest, digest)))
  requireSameDisks(document, disks, digest)
  return {
    digest,
    document,
    files,
    image: (architecture) =>
      entries.find((e) => e.platform?.os === 'linux' && e.platform.architecture === architecture),
    disk: (architecture) => disks.get(architecture),
  }
}

/**
 * Proves, without a repository, that a release document is the one that the digest names: index → manifest → document.
 * @throws OciError `release-malformed`, `digest-mismatch`
 */
export function readReleaseFiles(files: ReleaseFiles, digest: Digest): ReleaseDocument {
  expectDigest(files.index, digest, 'the release index')
  const listed = entriesOf(files.index, digest).filter(isNoImage)
  const manifestDigest = digestOf(files.manifest)
  if (!listed.some((entry) => entry.digest === manifestDigest))
    throw new OciError('digest-mismatch', `the release manifest ${manifestDigest} is not in the index`, {
      where: digest,
    })
  const layer = documentLayer(manifestOf(files.manifest, digest), digest)
  expectDigest(files.document, layer.digest, 'the release document')
  return parseDocument(files.document, digest)
}

async function requireManifest(repository: RepositoryReader, digest: Digest): Promise<ManifestBytes> {
  const found = await repository.manifest(digest)
  if (found === undefined)
    throw new OciError('manifest-unknown', `there is no manifest ${digest} in ${repository.name}`, {
      where: repository.name,
      hint: 'push the release to this repository, or check its digest',
    })
  expectDigest(found.bytes, digest, `the manifest from ${repository.name}`)
  return found
}

function expectDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const actual = digestOf(bytes)
  if (actual !== digest)
    throw new OciError('digest-mismatch', `${what} is ${actual}, not ${digest}`, { where: digest })
}

function entriesOf(index: Uint8Array, release: Digest): readonly Descriptor[] {
  const { manifests } = orMalformed(release, () => parseIndex(index))
  if (manifests.length > releaseManifestsMax)
    throw malformed(release, `its index lists more than ${releaseManifestsMax} manifests`)
  return manifests
}

function isNoImage(entry: Descriptor): boolean {
  return entry.platform?.os === noPlatform.os && entry.mediaType === mediaType.manifest
}

function manifestOf(bytes: Uint8Array, release: Digest): Manifest {
  return orMalformed(release, () => parseManifest(bytes))
}

function documentLayer(manifest: Manifest, release: Digest): Descriptor {
  const [layer, ...more] = manifest.layers
  if (
    manifest.artifactType !== mediaType.release ||
    layer?.mediaType !== mediaType.releaseDocument ||
    more.length > 0
  )
    throw malformed(release, 'its release manifest does not hold exactly one release document')
  return layer
}

function parseDocument(blob: Uint8Array, release: Digest): ReleaseDocument {
  return orMalformed(release, () => {
    const text = gunzipSync(blob, { maxOutputLength: documentBytesMax })
    return parseReleaseDocument(new TextDecoder('utf-8', { fatal: true }).decode(text))
  })
}

function diskOf(bytes: ManifestBytes, manifest: Manifest, release: Digest): readonly [Architecture, OciDisk] {
  const named = manifest.annotations?.[architectureAnnotation]
  const architecture = architectures.find((known) => known === named)
  const [root, verity, boot, ...more] = manifest.layers
  if (
    architecture === undefined ||
    root?.mediaType !== mediaType.diskRoot ||
    verity?.mediaType !== mediaType.diskVerity ||
    boot?.mediaType !== mediaType.diskBoot ||
    more.length > 0
  )
    throw malformed(
      release,
      'a disk manifest does not hold root, hash tree and boot file of one architecture',
    )
  return [architecture, { manifest: bytes, root, verity, boot }]
}

function requireSameDisks(
  document: ReleaseDocument,
  disks: ReadonlyMap<Architecture, OciDisk>,
  release: Digest,
): void {
  const described = Object.keys(document.disks).toSorted().join(', ')
  const held = [...disks.keys()].toSorted().join(', ')
  if (described !== held)
    throw malformed(release, `its document describes disks for [${described}], its index lists [${held}]`)
}

function sized(descriptor: Descriptor): { readonly digest: Digest; readonly sizeBytes: number } {
  return { digest: descriptor.digest, sizeBytes: descriptor.size }
}

/** What a parser refuses is here a release that is not one. */
function orMalformed<T>(release: Digest, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const why = cause instanceof AshlarError ? cause.message : 'its document does not unpack'
    throw malformed(release, why, cause)
  }
}

function malformed(release: Digest, why: string, cause?: unknown): OciError {
  return new OciError('release-malformed', `${release} is not a release: ${why}`, {
    where: release,
    cause,
    hint: 'was it made by ashlar build? An ordinary image is no release',
  })
}
