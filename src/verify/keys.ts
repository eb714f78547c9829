import { createHash, createPublicKey, verify as cryptoVerify, type KeyObject } from 'node:crypto'
import { AshlarError, type Digest, digestFromHex, type Finding, type TrustRole } from '../core/index.ts'

export class VerifyKeyError extends AshlarError<'trust-key-unusable'> {}

/** A public key that a signature can be judged with. */
export interface VerifyingKey {
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
  readonly keyId: Digest
  /** Whether `signature` over `bytes` was made with the private half. */
  verifies(bytes: Uint8Array, signature: Uint8Array): boolean
}

/**
 * Length of the one DER form of each kind of key. A compressed or explicitly parametrised curve would give the
 * same key a second id, and with it a second vote.
 */
const derBytes = { ed25519: 44, prime256v1: 91 } as const

/** Reads an Ed25519 or ECDSA P-256 public key. @throws VerifyKeyError `trust-key-unusable` */
export function readPublicKey(pem: string): VerifyingKey {
  const key = parseKey(pem)
  const kind = key.asymmetricKeyType === 'ed25519' ? 'ed25519' : key.asymmetricKeyDetails?.namedCurve
  const der = key.export({ type: 'spki', format: 'der' })
  if ((kind !== 'ed25519' && kind !== 'prime256v1') || der.length !== derBytes[kind])
    throw new VerifyKeyError(
      'trust-key-unusable',
      'the public key is neither Ed25519 nor ECDSA P-256 in its usual form',
      { hint: 'make one with: ashlar key new' },
    )
  const hash = kind === 'ed25519' ? null : 'sha256'
  return {
    keyId: digestFromHex(createHash('sha256').update(der).digest('hex')),
    verifies: (bytes, signature) => cryptoVerify(hash, bytes, key, signature),
  }
}

function parseKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw new VerifyKeyError('trust-key-unusable', 'this is not a public key in PEM form', { cause })
  }
}

/** The distinct keys of a role. A key that cannot be used has no vote, and is a finding. */
export function keysOf(role: TrustRole): {
  readonly keys: readonly VerifyingKey[]
  readonly findings: readonly Finding[]
} {
  const keys = new Map<Digest, VerifyingKey>()
  const findings: Finding[] = []
  for (const [index, pem] of role.keys.entries())
    try {
      const key = readPublicKey(pem)
      keys.set(key.keyId, key)
    } catch (error) {
      if (!(error instanceof VerifyKeyError)) throw error
      findings.push({
        code: error.code,
        message: error.message,
        where: `keys[${index}]`,
        hint: error.hint,
      })
    }
  return { keys: [...keys.values()], findings }
}
