import { createHash } from 'node:crypto'
import { type Digest, digestFromHex } from '../core/index.ts'
import type { Random } from '../sys/index.ts'

const kinds = ['admin', 'operator', 'enrolment'] as const
export type TokenKind = (typeof kinds)[number]

/** 32 random bytes: the last of 43 base64url digits carries four bits, so only 16 of them can stand there. */
const pattern = /^ashlar_(admin|operator|enrolment)_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/** Makes a token. It is shown once; the server keeps only the hash. */
export function mintToken(
  random: Random,
  kind: TokenKind,
): { readonly token: string; readonly hash: Digest } {
  const token = `ashlar_${kind}_${Buffer.from(random.bytes(32)).toString('base64url')}`
  return { token, hash: tokenHash(token) }
}

/** Kind and hash of what may be a token; nothing where the text has not the form of one. */
export function parseToken(text: string): { readonly kind: TokenKind; readonly hash: Digest } | undefined {
  const named = pattern.exec(text)?.[1]
  const kind = kinds.find((candidate) => candidate === named)
  return kind === undefined ? undefined : { kind, hash: tokenHash(text) }
}

/** Plain SHA-256: a token is 256 random bits, so there is nothing for a slow hash to slow down. */
export function tokenHash(token: string): Digest {
  return digestFromHex(createHash('sha256').update(token).digest('hex'))
}
