import type { Digest, Reason, TrustRole } from '../core/index.ts'
import { keysOf, type VerifyingKey } from './keys.ts'
import { limits } from './limits.ts'

/** DSSE envelope as JSON; payload and signatures are base64. */
export interface Envelope {
  readonly payloadType: string
  readonly payload: string
  readonly signatures: readonly { readonly keyid?: string | undefined; readonly sig: string }[]
}

export type Refused = { readonly is: 'refused'; readonly reason: Reason }

export type VerifiedEnvelope = {
  readonly is: 'verified'
  readonly payload: Uint8Array
  /** The ids of the distinct keys that signed, at least as many as the role's threshold. */
  readonly signers: readonly Digest[]
}

/** An envelope whose form is right; nothing is said of its signatures yet. */
export interface OpenEnvelope {
  readonly is: 'open'
  readonly payload: Uint8Array
  /** The bytes that each signature covers. */
  readonly signed: Uint8Array
  readonly signatures: readonly Uint8Array[]
}

/**
 * Whether enough distinct keys of the role signed the envelope. `keyid` is not read: it is outside the signature, and
 * there are few enough keys to try each.
 * Refusals: `payload-type-wrong`, `envelope-malformed`, `signature-missing`,
 * `signatures-too-few`.
 */
export function judgeEnvelope(
  envelope: Envelope,
  payloadType: string,
  role: TrustRole,
): VerifiedEnvelope | Refused {
  const opened = openEnvelope(envelope, payloadType)
  if (opened.is === 'refused') return opened
  const signers = signersOf(opened, keysOf(role).keys)
  if (isEnough(signers, role.threshold)) return { is: 'verified', payload: opened.payload, signers }
  return { is: 'refused', reason: tooFew(signers.length, role.threshold) }
}

/** Decodes an envelope of one payload type, within bounds; base64 in its one canonical form. */
export function openEnvelope(envelope: Envelope, payloadType: string): OpenEnvelope | Refused {
  if (envelope.payloadType !== payloadType)
    return refuse('payload-type-wrong', `the envelope does not hold ${payloadType}`)
  if (envelope.payload.length > limits.payloadCharactersMax)
    return refuse(
      'envelope-malformed',
      `the payload is longer than ${limits.payloadCharactersMax} characters`,
    )
  if (envelope.signatures.length > limits.signaturesMax)
    return refuse('envelope-malformed', `there are more than ${limits.signaturesMax} signatures`)
  const payload = decodeBase64(envelope.payload)
  if (payload === undefined) return refuse('envelope-malformed', 'the payload is not canonical base64')
  const signatures: Uint8Array[] = []
  for (const { sig } of envelope.signatures) {
    const signature = sig.length > limits.signatureCharactersMax ? undefined : decodeBase64(sig)
    if (signature === undefined)
      return refuse('envelope-malformed', 'a signature is too long or not canonical base64')
    signatures.push(signature)
  }
  return { is: 'open', payload, signed: preAuthEncoding(payloadType, payload), signatures }
}

/** The ids of the keys that made at least one of the signatures; each key counts once. */
export function signersOf(envelope: OpenEnvelope, keys: readonly VerifyingKey[]): readonly Digest[] {
  return keys
    .filter((key) => envelope.signatures.some((signature) => key.verifies(envelope.signed, signature)))
    .map((key) => key.keyId)
}

/** What a DSSE signature covers (dsse/protocol.md, "PAE"): type and payload with their lengths, so that neither can pass for the other. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `
  return Buffer.concat([Buffer.from(head), payload])
}

/** Node skips what is not base64; comparing the text that the bytes give refuses every other spelling. */
function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Nobody is never enough, whatever a threshold says. */
export function isEnough(signers: readonly Digest[], threshold: number): boolean {
  return signers.length > 0 && signers.length >= threshold
}

/** Why a number of good signatures does not do: `signature-missing` or `signatures-too-few`. */
export function tooFew(signers: number, threshold: number): Reason {
  return {
    code: signers === 0 ? 'signature-missing' : 'signatures-too-few',
    message:
      signers === 0
        ? 'no key that the trust root names has signed it'
        : `only ${signers} of the ${threshold} signatures that the trust root asks for`,
  }
}

export function refuse(code: string, message: string): Refused {
  return { is: 'refused', reason: { code, message } }
}
