/** What a judge is willing to look at. Proof comes from a registry or server that may be hostile. */
export const limits = {
  /** Ours are below 2 KiB; cosign's with a transparency log entry below 20 KiB. */
  bundleBytesMax: 262_144,
  /** Bundles read for one release; 256 with three keys cost less than a second on one core. */
  bundlesMax: 256,
  /** Signatures in one envelope, as many as a role may have keys. */
  signaturesMax: 64,
  /** Of a payload in base64: an assignment is below 1 KiB, a statement below 200 KiB. */
  payloadCharactersMax: 262_144,
  /** Of a signature in base64: Ed25519 has 88, ECDSA P-256 up to 96. */
  signatureCharactersMax: 128,
  /** How far a node's clock may be behind the director's before its orders look forged. */
  issuedAheadMsMax: 24 * 3_600_000,
} as const
