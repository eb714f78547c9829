import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { type Digest, digestFromHex } from '../core/index.ts'
import { addressBytes } from './address.ts'
import * as der from './der.ts'
import { IdentityError } from './errors.ts'
import { limits } from './limits.ts'

/** The server's own certificate authority: it signs for this server and for nobody else. */
export interface Authority {
  /** PEM. What nodes and people pin, by its fingerprint. */
  readonly certificate: string
  /** PEM, PKCS#8, ECDSA P-256. Secret. */
  readonly privateKey: string
}

export interface ServerCertificate {
  /** PEM: the server's certificate, then the authority's, so that a new client can compare its fingerprint. */
  readonly chain: string
  /** PEM, PKCS#8. Secret. */
  readonly privateKey: string
}

/** Made once, at a server's first start. P-256: every TLS client knows it. */
export function createAuthority({ now }: { readonly now: number }): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const certificate = certify({
    subject: authorityName(publicKey),
    publicKey,
    issuer: privateKey,
    now,
    lifeMs: limits.authorityMs,
    extensions: [
      // A certificate authority that signs no other authority.
      extension('2.5.29.19', der.sequence(der.yes, der.integer(Uint8Array.of(0))), 'critical'),
      // keyCertSign, cRLSign
      extension('2.5.29.15', der.bits(Uint8Array.of(0x06), 1), 'critical'),
    ],
  })
  return { certificate, privateKey: exportPrivate(privateKey) }
}

/** A new key and certificate for the names and addresses that clients reach the server by. */
export function issueServerCertificate(
  authority: Authority,
  request: { readonly names: readonly string[]; readonly addresses: readonly string[]; readonly now: number },
): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const alternatives = [
    ...request.names.map((name) => der.implicit(2, Buffer.from(name, 'latin1'))),
    ...request.addresses.map((address) => der.implicit(7, addressBytes(address))),
  ]
  const certificate = certify({
    subject: commonName('Ashlar server'),
    publicKey,
    issuer: createPrivateKey(authority.privateKey),
    now: request.now,
    lifeMs: limits.serverCertificateMs,
    extensions: [
      extension('2.5.29.19', der.sequence(), 'critical'),
      // digitalSignature
      extension('2.5.29.15', der.bits(Uint8Array.of(0x80), 7), 'critical'),
      // extended key usage: serverAuth
      extension('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.17', der.sequence(...alternatives)),
    ],
  })
  return { chain: certificate + authority.certificate, privateKey: exportPrivate(privateKey) }
}

/** SHA-256 of the first certificate (DER) of a PEM text. @throws IdentityError `certificate-unreadable` */
export function certificateFingerprint(pem: string): Digest {
  return digestFromHex(createHash('sha256').update(readCertificate(pem).raw).digest('hex'))
}

/** Whether the first certificate of a PEM text is so near its end that a new one is to be issued, or is not valid yet: the clock was ahead then. */
export function needsRenewal(pem: string, now: number): boolean {
  const { validFromDate, validToDate } = readCertificate(pem)
  return now < validFromDate.getTime() || now > validToDate.getTime() - limits.renewalBeforeMs
}

/** Whether the first certificate of a PEM text is valid now. */
export function isValidAt(pem: string, now: number): boolean {
  const { validFromDate, validToDate } = readCertificate(pem)
  return now >= validFromDate.getTime() && now <= validToDate.getTime()
}

interface CertificateRequest {
  readonly subject: der.Der
  readonly publicKey: KeyObject
  /** The authority's private key. */
  readonly issuer: KeyObject
  readonly now: number
  readonly lifeMs: number
  readonly extensions: readonly der.Der[]
}

/** RFC 5280, 4.1: Certificate, version 3. */
function certify({ subject, publicKey, issuer, now, lifeMs, extensions }: CertificateRequest): string {
  const issuerPublic = createPublicKey(issuer)
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.3.2')) // ecdsa-with-SHA256
  const unsigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serialNumber()),
    algorithm,
    authorityName(issuerPublic),
    der.sequence(der.time(now - limits.backdatedMs), der.time(now + lifeMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(
      3,
      der.sequence(
        ...extensions,
        extension('2.5.29.14', der.octets(keyIdentifier(publicKey))),
        extension('2.5.29.35', der.sequence(der.implicit(0, keyIdentifier(issuerPublic)))),
      ),
    ),
  )
  const signed = der.sequence(unsigned, algorithm, der.bits(cryptoSign('sha256', unsigned, issuer)))
  const lines = Buffer.from(signed)
    .toString('base64')
    .replace(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

/** 127 random bits, never zero in front: the shortest DER form whatever they are. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

/** RFC 7093, method 1: the first 160 bits of the SHA-256 of the public key. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  // The last 65 bytes of a P-256 SubjectPublicKeyInfo are the point itself.
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65)
  return createHash('sha256').update(point).digest().subarray(0, 20)
}

/** Each authority has its own name, or a client that knows two of them may try the wrong one. */
function authorityName(publicKey: KeyObject): der.Der {
  return commonName(`Ashlar CA ${Buffer.from(keyIdentifier(publicKey).subarray(0, 4)).toString('hex')}`)
}

function commonName(name: string): der.Der {
  return der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.text(name))))
}

function extension(id: string, value: der.Der, critical?: 'critical'): der.Der {
  return der.sequence(der.oid(id), ...(critical === undefined ? [] : [der.yes]), der.octets(value))
}

function exportPrivate(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new IdentityError('certificate-unreadable', 'this is not a certificate in PEM form', { cause })
  }
}
