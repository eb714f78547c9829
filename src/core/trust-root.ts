import { z } from 'zod'
import { AshlarError } from './errors.ts'

const publicKey = z
  .string()
  .regex(/^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$/, 'not a PEM public key')

const role = z
  .strictObject({ threshold: z.int().min(1), keys: z.array(publicKey).min(1).max(64) })
  .refine(
    (r) => r.threshold <= new Set(r.keys.map((k) => k.trim())).size,
    'the threshold is larger than the number of distinct keys',
  )

/**
 * Whom a node believes. It is part of the image that the node runs and never comes from a server.
 * `release` keys say "this digest is a release of this image"; `director` keys say "node N is to run digest D".
 */
export const trustRootSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('TrustRoot'),
  /** Grows by one with each change. */
  version: z.int().min(1),
  release: role,
  director: role,
})

export type TrustRoot = z.infer<typeof trustRootSchema>
/** A threshold and the public keys (PEM, SubjectPublicKeyInfo) that are counted against it. */
export type TrustRole = z.infer<typeof role>

export class TrustRootError extends AshlarError<'trust-root-malformed'> {}

/** @throws TrustRootError `trust-root-malformed`, naming every field that is wrong. */
export function parseTrustRoot(text: string, where = 'trust.json'): TrustRoot {
  const hint =
    'ashlar build puts one at /usr/lib/ashlar/trust.json of an image; the folder of its definition does as well'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TrustRootError('trust-root-malformed', 'the trust root is not JSON', { where, hint, cause })
  }
  const result = trustRootSchema.safeParse(value)
  if (result.success) return result.data
  const why = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new TrustRootError('trust-root-malformed', `the trust root is malformed: ${why}`, { where, hint })
}
