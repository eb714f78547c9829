import { AshlarError, type Digest, mediaType } from '../core/index.ts'
import { putBlob, putEmptyConfig } from './assemble-release.ts'
import { OciError } from './errors.ts'
import { bundleBytesMax, bundlesMax } from './limits.ts'
import { parseManifest, printManifest } from './manifest.ts'
import { collect } from './streams.ts'
import type { Repository } from './types.ts'

/**
 * Attaches a Sigstore bundle to a release as cosign from version 3 on does (cosign, specs/BUNDLE_SPEC.md).
 * `created` (RFC 3339) is written only when given: without it, attaching the same bundle again changes nothing.
 */
export async function attachBundle(
  repository: Repository,
  release: Digest,
  bundle: Uint8Array,
  predicateType: string,
  created?: string,
): Promise<Digest> {
  const subject = await repository.manifest(release)
  if (subject === undefined)
    throw new OciError('manifest-unknown', `there is no release ${release} in ${repository.name}`, {
      where: repository.name,
      hint: 'push the release first',
    })
  const manifest = printManifest({
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: mediaType.bundle,
    config: await putEmptyConfig(repository),
    layers: [await putBlob(repository, bundle, mediaType.bundle)],
    subject: { mediaType: subject.mediaType, digest: release, size: subject.bytes.length },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': predicateType,
      ...(created !== undefined && { 'org.opencontainers.image.created': created }),
    },
  })
  return repository.putManifest(manifest, mediaType.manifest)
}

/**
 * The Sigstore bundles attached to a release. They are claims: whoever may push can attach anything, and only a signature
 * inside makes one worth something. What is damaged, or no bundle, is empty here: it hides no good one, and who
 * judges them says which it was. At most one more than {@link bundlesMax}, so that too many are seen to be too many.
 */
export async function bundlesOf(repository: Repository, release: Digest): Promise<readonly Uint8Array[]> {
  const referrers = await repository.referrers(release, mediaType.bundle)
  const bundles: Uint8Array[] = []
  for (const { digest } of referrers.slice(0, bundlesMax + 1)) {
    try {
      bundles.push(await bundleIn(repository, digest))
    } catch (error) {
      if (!(error instanceof AshlarError) || !unfit.has(error.code)) throw error
      bundles.push(new Uint8Array())
    }
  }
  return bundles
}

async function bundleIn(repository: Repository, digest: Digest): Promise<Uint8Array> {
  const bytes = (await repository.manifest(digest))?.bytes
  const [layer, ...more] = bytes === undefined ? [] : parseManifest(bytes).layers
  if (layer?.mediaType !== mediaType.bundle || more.length > 0) return new Uint8Array()
  return await collect(repository.blobs.read(layer.digest), bundleBytesMax)
}

/** Codes of content that is not what its name promises; asking again changes nothing. */
const unfit: ReadonlySet<string> = new Set([
  'manifest-invalid',
  'blob-unknown',
  'digest-mismatch',
  'size-mismatch',
  'content-too-large',
])
