/**
 * The few forms of DER (X.690) that a certificate is made of. Written here because the library for it wants a
 * reflection polyfill and twenty packages behind it; OpenSSL and Node read what this writes in the tests.
 */
export type Der = Uint8Array

function wrap(tag: number, ...contents: readonly Uint8Array[]): Der {
  const content = Buffer.concat(contents)
  const { length } = content
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  if (length > 0xffff) throw new RangeError('a certificate is never this long')
  return Buffer.concat([Buffer.from(head), content])
}

export const sequence = (...items: readonly Der[]): Der => wrap(0x30, ...items)
export const set = (...items: readonly Der[]): Der => wrap(0x31, ...items)
export const octets = (bytes: Uint8Array): Der => wrap(0x04, bytes)
export const text = (value: string): Der => wrap(0x0c, Buffer.from(value))
export const yes: Der = Uint8Array.of(0x01, 0x01, 0xff)

/** An unsigned number, big-endian. */
export function integer(bytes: Uint8Array): Der {
  return (bytes[0] ?? 0) >= 0x80 ? wrap(0x02, Uint8Array.of(0), bytes) : wrap(0x02, bytes)
}

export function bits(bytes: Uint8Array, unused = 0): Der {
  return wrap(0x03, Uint8Array.of(unused), bytes)
}

/** `[number]` around whole items. */
export function explicit(number: number, ...items: readonly Der[]): Der {
  return wrap(0xa0 | number, ...items)
}

/** `[number]` in place of a primitive item's own tag. */
export function implicit(number: number, bytes: Uint8Array): Der {
  return wrap(0x80 | number, bytes)
}

export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return wrap(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 0x7f) | 0x80)
  return digits
}

/** RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime after; whole seconds. */
export function time(ms: number): Der {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return new Date(ms).getUTCFullYear() < 2050
    ? wrap(0x17, Buffer.from(digits.slice(2)))
    : wrap(0x18, Buffer.from(digits))
}
