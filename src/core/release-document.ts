import { z } from 'zod'
import { canonicalJson, isCanonical } from './canonical-json.ts'
import type { Digest } from './digest.ts'
import { isDigest } from './digest.ts'
import { AshlarError } from './errors.ts'
import { healthCheckSchema } from './health.ts'
import { isVersion, type Version } from './version.ts'

const digest = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
)
const version = z.custom<Version>(
  (value) => typeof value === 'string' && isVersion(value),
  'not a semantic version',
)
/** The digest and size of a file *before* the compression that its blob has. */
const content = z.strictObject({ digest, sizeBytes: z.int().min(0) })

export const architectures = ['amd64', 'arm64'] as const
export type Architecture = (typeof architectures)[number]

export class ArchitectureError extends AshlarError<'architecture-unsupported'> {}

/** Debian's name of what Node calls `process.arch`. @throws ArchitectureError `architecture-unsupported` */
export function architectureOf(arch: string): Architecture {
  if (arch === 'x64') return 'amd64'
  if (arch === 'arm64') return 'arm64'
  throw new ArchitectureError('architecture-unsupported', `Ashlar does not run on ${arch}`, {
    hint: `use a machine of one of ${architectures.join(', ')}`,
  })
}

/** What a machine of one architecture boots: the plain (uncompressed) files behind the disk manifest's blobs. */
export const diskFormSchema = z.strictObject({
  /** The EROFS image of `/`. */
  root: content,
  /** The dm-verity hash tree of it. */
  verity: content,
  /** dm-verity root hash, 64 hex digits; its halves are the UUIDs of the two partitions. */
  roothash: z.string().regex(/^[0-9a-f]{64}$/),
  /** The unsigned unified kernel image. */
  boot: content,
  /** `uname -r` of the kernel inside. */
  kernel: z.string().min(1),
})
export type DiskForm = z.infer<typeof diskFormSchema>

/**
 * The signed description of a release. It lies in the release's index, so that the release's digest covers it.
 */
export const releaseDocumentSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Release'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  version,
  /** Orders the releases of one image. */
  counter: z.int().min(0),
  /** The lowest counter that may still run on a node once this release is confirmed there. */
  floor: z.int().min(0),
  form: z.enum(['system', 'container']),
  /** Digest of the bytes of `ashlar.yaml`. */
  definition: digest,
  /** Digest of the bytes of `ashlar.lock`. */
  lock: digest,
  /** Seconds since 1970: no file in the image is younger, and no node believes that it is earlier. */
  epochSeconds: z.int().min(0),
  parameters: z.record(z.string(), z.string()),
  health: z.array(healthCheckSchema),
  /** By architecture; empty for a container. */
  disks: z.partialRecord(z.enum(architectures), diskFormSchema),
})
export type ReleaseDocument = z.infer<typeof releaseDocumentSchema>

export class ReleaseDocumentError extends AshlarError<'release-document-malformed'> {}

/** Accepts only the canonical text. @throws ReleaseDocumentError `release-document-malformed` */
export function parseReleaseDocument(text: string): ReleaseDocument {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ReleaseDocumentError('release-document-malformed', 'the release document is not JSON', {
      cause,
    })
  }
  const result = releaseDocumentSchema.safeParse(value)
  if (!result.success) {
    const why = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
    throw new ReleaseDocumentError('release-document-malformed', `the release document is malformed: ${why}`)
  }
  if (!isCanonical(result.data, text))
    throw new ReleaseDocumentError(
      'release-document-malformed',
      'the release document is not in canonical form',
    )
  return result.data
}

/** Canonical JSON: equal documents give equal bytes. */
export function printReleaseDocument(document: ReleaseDocument): string {
  return canonicalJson(document)
}
