import { z } from 'zod'
import type { Digest } from './digest.ts'
import { isDigest } from './digest.ts'
import { AshlarError } from './errors.ts'
import { architectures } from './release-document.ts'

const digest = z
  .custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a sha256 digest')
  .meta({ type: 'string', description: 'sha256 of its bytes.' })
const sizeBytes = z.int().min(0).describe('Its size in bytes.')
const archive = z
  .enum(['debian', 'debian-security'])
  .describe('Which archive of the mirror configuration holds it.')

/** One signed archive index (`InRelease`) of one pocket. */
const pocket = z.strictObject({
  name: z.string().min(1).describe('`bookworm`, `bookworm-updates` or `bookworm-security`.'),
  archive,
  digest,
  sizeBytes,
  signers: z
    .array(z.string().regex(/^[0-9A-F]{40}$/))
    .min(1)
    .describe('OpenPGP fingerprints of the keys whose signatures gpgv found good.'),
})

/** One Debian package. `path` is relative to its archive, so that any mirror serves it; no host name is recorded. */
export const lockedPackageSchema = z.strictObject({
  name: z.string().min(1).describe('Name of the Debian package.'),
  version: z.string().min(1).describe('Its version.'),
  architecture: z.string().min(1).describe('Its architecture, or `all`.'),
  source: z.string().min(1).describe('The source package that it was made from.'),
  archive,
  path: z
    .string()
    .regex(/^pool\/[^\s]+\.deb$/)
    .refine((path) => !path.split('/').includes('..'), 'leads out of the archive')
    .describe('Where it lies in its archive; no host name is recorded.'),
  digest,
  sizeBytes,
})
export type LockedPackage = z.infer<typeof lockedPackageSchema>

/** A file that is no Debian package: the Node binary, the agent's bundle. */
const input = z.strictObject({ version: z.string().min(1).describe('Its version.'), digest, sizeBytes })

const blob = z.strictObject({ digest, sizeBytes })

/** An image that a Containerfile is built on: its manifest for one architecture, and the blobs that this names. */
const lockedBaseSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe('As the Containerfile has it; what it meant when it was locked is `digest`.'),
  ...blob.shape,
  blobs: z.array(blob).min(1).describe('Its configuration and layers.'),
})
export type LockedBase = z.infer<typeof lockedBaseSchema>

/** The form of a lock that this Ashlar reads and writes. */
const lockVersion = 1

/**
 * Every input of a build, by version, size and sha256. What is not in here is not in the image,
 * and no tool that is not in here touches it.
 */
export const lockSchema = z
  .strictObject({
    lockVersion: z.literal(lockVersion).describe('Form of this file.'),
    request: digest.describe(
      'Digest of what was asked of the archive. A definition that asks for the same keeps its lock, and with it its versions.',
    ),
    architecture: z.enum(architectures).describe('Architecture of the image.'),
    suite: z.string().min(1).describe('Debian suite.'),
    epochSeconds: z
      .int()
      .min(0)
      .describe('Seconds since 1970: the newest date of the pockets; the clock of the build.'),
    pockets: z.array(pocket).min(1).describe('The signed archive indexes that were asked.'),
    packages: z
      .array(lockedPackageSchema)
      .describe("The image's packages, sorted by name; none where a Containerfile makes it."),
    layers: z
      .array(z.array(z.string().min(1)).min(1))
      .describe(
        "The image's layers, rarely changed first, each by the source packages it has: a release can be built again, and the next lock keeps them.",
      ),
    tools: z
      .array(lockedPackageSchema)
      .describe(
        'The packages of the tree that the build’s tools run from, sorted by name; empty for a container of packages.',
      ),
    node: input.optional().describe('In a system: the Node binary that runs the agent.'),
    agent: input.optional().describe('In a system: the agent’s bundle.'),
    bases: z
      .array(lockedBaseSchema)
      .optional()
      .describe('Where a Containerfile makes the image: the images that it names.'),
  })
  .superRefine(({ packages, layers, bases }, context) => {
    if (bases === undefined && (packages.length === 0 || layers.length === 0))
      context.addIssue({ code: 'custom', path: ['packages'], message: 'there are none' })
  })
export type Lock = z.infer<typeof lockSchema>

export class LockError extends AshlarError<'lock-malformed' | 'lock-version'> {}

const newerHint =
  'use an Ashlar as new as the one that made it (ashlar --version), or run ashlar lock to make it anew'

/** @throws LockError `lock-malformed`, naming every field that is wrong; `lock-version` */
export function parseLock(text: string, where = 'ashlar.lock'): Lock {
  const hint = 'run ashlar lock to make it anew'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new LockError('lock-malformed', 'the lock is not JSON', { where, hint, cause })
  }
  requireVersion(value, where)
  const result = lockSchema.safeParse(value)
  if (result.success) return result.data
  const { issues } = result.error
  // Only such a thing is wrong with what a newer Ashlar wrote that changed little.
  if (issues.every((issue) => issue.code === 'unrecognized_keys'))
    throw new LockError(
      'lock-version',
      `the lock has what this Ashlar does not know: ${issues.flatMap((issue) => issue.keys).join(', ')}`,
      {
        where,
        hint: newerHint,
      },
    )
  const why = issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new LockError('lock-malformed', `the lock is malformed: ${why}`, { where, hint })
}

/** Told first: of a lock in another form nothing else that could be said is of use. */
function requireVersion(value: unknown, where: string): void {
  const { data } = z.object({ lockVersion: z.int() }).safeParse(value)
  if (data === undefined || data.lockVersion === lockVersion) return
  const newer = data.lockVersion > lockVersion
  throw new LockError(
    'lock-version',
    `the lock has form ${data.lockVersion}, and this Ashlar reads form ${lockVersion}`,
    {
      where,
      hint: newer ? newerHint : 'run ashlar lock to make it anew',
    },
  )
}

/** The text that is kept in git: stable order, one field a line, a newline at the end. */
export function printLock(lock: Lock): string {
  return `${JSON.stringify(lock, null, 2)}\n`
}
