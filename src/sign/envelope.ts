import type { PrivateKey } from './keys.ts'

/** DSSE envelope as JSON; payload and signatures are base64. */
export interface Envelope {
  payloadType: string
  payload: string
  signatures: { sig: string }[]
}

/** What a DSSE signature covers (dsse/protocol.md, "PAE"): type and payload with their lengths, so that neither can pass for the other. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `
  return Buffer.concat([Buffer.from(head), payload])
}

/** Wraps a payload in an envelope with one signature of each key. */
export function signEnvelope(
  payloadType: string,
  payload: Uint8Array | string,
  keys: readonly PrivateKey[],
): Envelope {
  const bytes = Buffer.from(payload)
  const signed = preAuthEncoding(payloadType, bytes)
  return {
    payloadType,
    payload: bytes.toString('base64'),
    signatures: keys.map((key) => ({ sig: Buffer.from(key.sign(signed)).toString('base64') })),
  }
}
