import { bundleToJSON, toDSSEBundle } from '@sigstore/bundle'
import { canonicalJson, digestHex, mediaType, type Statement } from '../core/index.ts'
import { preAuthEncoding } from './envelope.ts'
import type { PrivateKey } from './keys.ts'

/** Signs a statement: one Sigstore bundle (v0.3, JSON) for each key, since a bundle holds exactly one signature. */
export function signStatement(statement: Statement, keys: readonly PrivateKey[]): Uint8Array[] {
  const payload = Buffer.from(canonicalJson(statement))
  const signed = preAuthEncoding(mediaType.inToto, payload)
  return keys.map((key) => {
    const bundle = toDSSEBundle({
      artifact: payload,
      artifactType: mediaType.inToto,
      signature: Buffer.from(key.sign(signed)),
      keyHint: hintOf(key),
      certificateChain: false,
    })
    // The library repeats the hint as DSSE `keyid`; cosign 2.5 refuses a bundle whose keyid is not empty. The
    // signature covers neither.
    for (const signature of bundle.content.dsseEnvelope.signatures) signature.keyid = ''
    return Buffer.from(canonicalJson(bundleToJSON(bundle)))
  })
}

/** Base64 of the SHA-256 of the public key (DER): the hint that Sigstore's own clients write for a plain key. */
function hintOf(key: PrivateKey): string {
  return Buffer.from(digestHex(key.keyId), 'hex').toString('base64')
}
