import { mediaType } from '../core/index.ts'
import type { Envelope } from './envelope.ts'
import { limits } from './limits.ts'

export interface Bundle {
  readonly envelope: Envelope
  /** Who is said to have signed: base64 of the SHA-256 of a public key. Unsigned, so good for an error message only. */
  readonly hint: string | undefined
}

/**
 * Reads a Sigstore bundle (v0.3, JSON) of a statement; returns what is wrong as a string otherwise. Log entries and
 * timestamps in `verificationMaterial` ask for services that a node does not dial, so they are not read: the keys in
 * the trust root alone decide.
 */
export function parseBundle(bytes: Uint8Array): Bundle | string {
  if (bytes.length > limits.bundleBytesMax) return `it is longer than ${limits.bundleBytesMax} bytes`
  const bundle = parseObject(bytes)
  if (bundle === undefined) return 'it is not a JSON object in UTF-8'
  if (bundle.mediaType !== mediaType.bundle) return `its mediaType is not ${mediaType.bundle}`
  if (!hasOnly(bundle, ['mediaType', 'verificationMaterial', 'dsseEnvelope']))
    return 'it has a field that a bundle of a statement has not'
  if (!isRecord(bundle.verificationMaterial) || !isRecord(bundle.verificationMaterial.publicKey))
    return 'it was not signed with a plain key'
  const envelope = bundle.dsseEnvelope
  if (!isRecord(envelope) || !hasOnly(envelope, ['payloadType', 'payload', 'signatures']))
    return 'it holds no DSSE envelope'
  const { payloadType, payload, signatures } = envelope
  if (typeof payloadType !== 'string' || typeof payload !== 'string') return 'its envelope has no payload'
  // Sigstore bundle specification: a DSSE envelope in a bundle has exactly one signature.
  if (!Array.isArray(signatures) || signatures.length !== 1) return 'it has not exactly one signature'
  const signature: unknown = signatures[0]
  if (!isRecord(signature) || !hasOnly(signature, ['keyid', 'sig']) || typeof signature.sig !== 'string')
    return 'its signature is malformed'
  const { hint } = bundle.verificationMaterial.publicKey
  return {
    envelope: { payloadType, payload, signatures: [{ sig: signature.sig }] },
    hint: typeof hint === 'string' ? hint : undefined,
  }
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasOnly(record: Record<string, unknown>, known: readonly string[]): boolean {
  return Object.keys(record).every((key) => known.includes(key))
}
