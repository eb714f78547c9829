import { AshlarError } from './errors.ts'

/** `sha256:` and 64 lower-case hex digits: the name of a blob, and of a release everywhere. */
export type Digest = string & { readonly __brand: 'Digest' }

export class DigestError extends AshlarError<'digest-malformed'> {}

const canonical = /^sha256:[0-9a-f]{64}$/

/** Whether `text` is a digest in its one canonical form. */
export function isDigest(text: string): text is Digest {
  return canonical.test(text)
}

/** @throws DigestError `digest-malformed`; only sha256 in lower-case hex is a digest here. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new DigestError('digest-malformed', `not a sha256 digest: ${JSON.stringify(text.slice(0, 100))}`)
}

/** The digest of 32 bytes given as 64 hex digits. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`)
}

/** The 64 hex digits alone. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** The first 12 hex digits: what people read and what a boot file's name holds. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12)
}
