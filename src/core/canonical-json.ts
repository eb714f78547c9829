import canonicalize from 'canonicalize'

/** A value that JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** The one text of a JSON value (RFC 8785): equal values give equal bytes, so that a digest of it means something. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('value has no JSON form')
  return text
}

/** Whether `text` is the one text of this value. */
export function isCanonical(value: unknown, text: string): boolean {
  return hasCanonicalForm(value) && canonicalJson(value) === text
}

/** RFC 8785 has no text for half a character (a lone surrogate), nor for 1e999: JSON.parse gives both. */
export function hasCanonicalForm(value: unknown): boolean {
  // No recursion: what came from outside may be nested as deep as its sender likes.
  const waiting = [value]
  while (waiting.length > 0) {
    const one = waiting.pop()
    if (typeof one === 'string' && !one.isWellFormed()) return false
    if (typeof one === 'number' && !Number.isFinite(one)) return false
    if (typeof one !== 'object' || one === null) continue
    for (const [key, inner] of Object.entries(one)) {
      if (!key.isWellFormed()) return false
      waiting.push(inner)
    }
  }
  return true
}
