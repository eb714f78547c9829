import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type Digest, digestFromHex } from '../core/index.ts'
import { IdentityError } from './errors.ts'

/** A node's own key, made on the node; the private half never leaves it. */
export interface NodeKey {
  /** PEM, PKCS#8. Secret. */
  readonly privateKey: string
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicKey: string
  readonly digest: Digest
}

export function createNodeKey(): NodeKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicPem,
    digest: publicKeyDigest(publicPem),
  }
}

/** SHA-256 of a node's public key (SubjectPublicKeyInfo, DER). @throws IdentityError `node-key-unusable` */
export function publicKeyDigest(pem: string): Digest {
  const der = readNodeKey(pem).export({ type: 'spki', format: 'der' })
  return digestFromHex(createHash('sha256').update(der).digest('hex'))
}

/** Ed25519 and nothing else. @throws IdentityError `node-key-unusable` */
export function readNodeKey(pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch (cause) {
    throw new IdentityError('node-key-unusable', 'this is not a public key in PEM form', { cause })
  }
  // createPublicKey also takes a private key; a node that sends one has told its secret.
  if (key.asymmetricKeyType !== 'ed25519' || !pem.startsWith('-----BEGIN PUBLIC KEY-----'))
    throw new IdentityError('node-key-unusable', "a node's key is an Ed25519 public key")
  return key
}
