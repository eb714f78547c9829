import { z } from 'zod'
import type { Digest } from './digest.ts'
import { isDigest } from './digest.ts'
import { AshlarError } from './errors.ts'
import { architectures } from './release-document.ts'

const digest = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
)
const sizeBytes = z.int().min(0)

/** One signed archive index (`InRelease`) of one pocket: `bookworm`, `bookworm-updates`, `bookworm-security`. */
const pocket = z.strictObject({
  name: z.string().min(1),
  /** `debian` or `debian-security`: which archive of the mirror configuration holds it. */
  archive: z.enum(['debian', 'debian-security']),
  digest,
  sizeBytes,
  /** OpenPGP fingerprints of the keys whose signatures gpgv found good. */
  signers: z.array(z.string().regex(/^[0-9A-F]{40}$/)).min(1),
})

/** One Debian package. `path` is relative to its archive, so that any mirror serves it; no host name is recorded. */
export const lockedPackageSchema = z.strictObject({
  name: z.string().min(1),
  version: z.string().min(1),
  architecture: z.string().min(1),
  source: z.string().min(1),
  archive: z.enum(['debian', 'debian-security']),
  path: z
    .string()
    .regex(/^pool\/[^\s]+\.deb$/)
    .refine((path) => !path.split('/').includes('..'), 'leads out of the archive'),
  digest,
  sizeBytes,
})
export type LockedPackage = z.infer<typeof lockedPackageSchema>

/** A file that is no Debian package: the Node binary, the agent's bundle. */
const input = z.strictObject({ version: z.string().min(1), digest, sizeBytes })

/** The form of a lock that this Ashlar reads and writes. */
const lockVersion = 1

/**
 * Every input of a build, by version, size and sha256. What is not in here is not in the image,
 * and no tool that is not in here touches it.
 */
export const lockSchema = z.strictObject({
  lockVersion: z.literal(lockVersion),
  /** Digest of what was asked of the archive. A definition that asks for the same keeps its lock, and with it its versions. */
  request: digest,
  architecture: z.enum(architectures),
  suite: z.string().min(1),
  /** Seconds since 1970: the newest date of the pockets; the clock of the build. */
  epochSeconds: z.int().min(0),
  pockets: z.array(pocket).min(1),
  /** The image's packages, sorted by name. */
  packages: z.array(lockedPackageSchema).min(1),
  /**
   * The image's layers, rarely changed first, each by the source packages it has. It stands here so that a release can
   * be built again, and so that the next lock keeps it.
   */
  layers: z.array(z.array(z.string().min(1)).min(1)).min(1),
  /** The packages of the tree that the build's tools run from, sorted by name; empty for a container. */
  tools: z.array(lockedPackageSchema),
  /** Present in a system: what the agent is and what runs it. */
  node: input.optional(),
  agent: input.optional(),
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
