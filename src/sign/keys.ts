import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { AshlarError, type Digest, digestFromHex } from '../core/index.ts'

export const keyKinds = ['ed25519', 'ecdsa-p256'] as const
/** What Ashlar's verifier, cosign and @sigstore/verify all accept. */
export type KeyKind = (typeof keyKinds)[number]

export class SignError extends AshlarError<
  'key-unreadable' | 'key-kind-unsupported' | 'passphrase-missing' | 'passphrase-wrong'
> {}

/** Both halves of a new key as PEM text. */
export interface KeyPair {
  readonly kind: KeyKind
  readonly keyId: Digest
  /** PKCS#8; encrypted where a passphrase was given. Secret. */
  readonly privateKey: string
  /** SubjectPublicKeyInfo: what goes into a definition's `trust:`. */
  readonly publicKey: string
}

/** A key that can sign. It holds the secret out of reach: nothing of it is printed or serialised. */
export interface PrivateKey {
  readonly kind: KeyKind
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
  readonly keyId: Digest
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicKey: string
  /** Ed25519 (RFC 8032), or ECDSA over SHA-256 in DER. */
  sign(bytes: Uint8Array): Uint8Array
}

/**
 * Makes a key. Ed25519 by default: its signatures are deterministic, so that signing a release twice gives the same
 * bundle and attaching it again changes nothing; and a weak random source at signing time cannot give the key away.
 */
export function generateKeyPair(kind: KeyKind = 'ed25519', passphrase?: string): KeyPair {
  const { privateKey, publicKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
  return {
    kind,
    keyId: keyIdOf(publicKey),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

/**
 * Reads a PKCS#8 PEM. `where` is the file that it was read from, for who has to mend it.
 * @throws SignError `key-unreadable`, `key-kind-unsupported`, `passphrase-missing`, `passphrase-wrong`
 */
export function loadPrivateKey(pem: string, passphrase?: string, where?: string): PrivateKey {
  const key = readPrivateKey(pem, passphrase, where)
  const kind = kindOf(key, where)
  const publicKey = createPublicKey(key)
  return {
    kind,
    keyId: keyIdOf(publicKey),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (bytes) => new Uint8Array(cryptoSign(kind === 'ed25519' ? null : 'sha256', bytes, key)),
  }
}

// The causes that OpenSSL gives name its own routines, never the key or the passphrase.
function readPrivateKey(pem: string, passphrase?: string, where?: string): KeyObject {
  const encrypted = pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')
  if (encrypted && passphrase === undefined)
    throw new SignError('passphrase-missing', 'the private key is encrypted and no passphrase was given', {
      where,
      hint: 'put the passphrase into a file and name it: --passphrase-file FILE',
    })
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(encrypted && { passphrase }) })
  } catch (cause) {
    if (encrypted)
      throw new SignError('passphrase-wrong', 'the passphrase does not open the private key', {
        where,
        hint: 'the first line of another file: --passphrase-file FILE',
        cause,
      })
    throw new SignError('key-unreadable', 'this is not a private key in PEM form', {
      where,
      hint: 'make one with: ashlar key new PATH',
      cause,
    })
  }
}

function kindOf(key: KeyObject, where?: string): KeyKind {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519'
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ecdsa-p256'
  throw new SignError(
    'key-kind-unsupported',
    `a key of kind ${key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType} cannot sign here: use Ed25519 or ECDSA P-256`,
    { where, hint: 'make one with: ashlar key new PATH' },
  )
}

function keyIdOf(publicKey: KeyObject): Digest {
  return digestFromHex(
    createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
  )
}
