import fc from 'fast-check'
import { type FuzzTarget, inputBytesMax } from './target.ts'

/** A change, drawn as numbers so that fast-check can make it smaller: which one, where, and with what. */
type Change = readonly [which: number, at: number, more: number]

const change: fc.Arbitrary<Change> = fc.tuple(fc.nat(1000), fc.nat(1 << 20), fc.nat(1 << 20))

/** An input of a target: mostly one that it knows with a few changes, sometimes anything. `known` grows while it runs. */
export function inputsOf(target: FuzzTarget, known: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const mutated = fc
    .tuple(fc.nat(1 << 20), fc.nat(1 << 20), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([first, second, changes]) => {
      const base = pick(known, first)
      const other = pick(known, second)
      return changes.reduce((input, one) => changed(target, input, other, one), base)
    })
  const anything = target.form === 'bytes' ? fc.uint8Array({ maxLength: 2048 }) : anyText(target)
  return fc
    .oneof({ weight: 15, arbitrary: mutated }, { weight: 1, arbitrary: anything })
    .map((input) => input.subarray(0, inputBytesMax))
}

/** Mostly few, seldom very many, never more than an input may hold. */
function often(text: string, more: number): string {
  const times = 2 ** Math.floor(((more % 16) * ((more >> 4) % 17) ** 2) / 256)
  return text.repeat(Math.min(times, Math.ceil(inputBytesMax / size(text))))
}

function anyText(target: FuzzTarget): fc.Arbitrary<Uint8Array> {
  const text =
    target.form === 'json' ? fc.json({ maxDepth: 5 }) : fc.string({ unit: 'binary', maxLength: 500 })
  return text.map((value) => Buffer.from(value))
}

function changed(target: FuzzTarget, input: Uint8Array, other: Uint8Array, one: Change): Uint8Array {
  const [which, ...where] = one
  // Values change as values; a tenth as text, and a tenth as bytes, so that also what is no value any more is tried.
  const form = which % 10 === 0 ? 'bytes' : which % 10 === 1 && target.form !== 'bytes' ? 'text' : target.form
  const step = Math.floor(which / 10)
  if (input.length > inputBytesMax) return input.subarray(0, inputBytesMax)
  switch (form) {
    case 'bytes':
      return pick(byteChanges, step)(input, other, ...where)
    case 'text':
      return Buffer.from(
        changedText(Buffer.from(input).toString(), Buffer.from(other).toString(), target, step, where),
      )
    case 'json':
      return changedJson(input, other, target, step, where)
  }
}

type ByteChange = (input: Uint8Array, other: Uint8Array, at: number, more: number) => Uint8Array

const interestingBytes = [0, 1, 0x0a, 0x20, 0x2f, 0x30, 0x37, 0x7f, 0x80, 0xff]
const byteChanges: readonly ByteChange[] = [
  // Flips a bit.
  (input, _, at, more) =>
    replaced(input, at % size(input), 1, [(input[at % size(input)] ?? 0) ^ (1 << (more % 8))]),
  (input, _, at, more) => replaced(input, at % size(input), 1, [pick(interestingBytes, more)]),
  (input, _, at, more) => replaced(input, at % size(input), 1 + (more % 40), []),
  (input, _, at, more) =>
    replaced(
      input,
      at % size(input),
      0,
      Array.from({ length: 1 + (more % 20) }, () => more & 0xff),
    ),
  // Cuts off.
  (input, _, at) => input.subarray(0, at % size(input)),
  // Doubles a part.
  (input, _, at, more) => {
    const from = at % size(input)
    return replaced(input, from, 0, input.subarray(from, from + 1 + (more % 1024)))
  },
  // Goes on as another one.
  (input, other, at, more) =>
    Buffer.concat([input.subarray(0, at % size(input)), other.subarray(more % size(other))]),
  // A block of the one in the place of a block of the other: for what comes in blocks of 512.
  (input, other, at, more) => {
    const from = (at % Math.ceil(size(input) / 512)) * 512
    const block = (more % Math.ceil(size(other) / 512)) * 512
    return replaced(input, from, at % 2 === 0 ? 512 : 0, other.subarray(block, block + 512))
  },
]

function replaced(input: Uint8Array, at: number, length: number, by: ArrayLike<number>): Uint8Array {
  return Buffer.concat([input.subarray(0, at), Uint8Array.from(by), input.subarray(at + length)])
}

const oddTexts = [
  ...[
    '',
    '\0',
    '\u2028',
    '\ud800',
    '\ufeff',
    'é',
    'é',
    '💥',
    '\u202e',
    '%',
    '%s',
    '%00',
    '\\',
    '"',
    "'",
    '`',
  ],
  ...[
    '\n',
    '\r\n',
    '\t',
    ' ',
    ':',
    '=',
    '@',
    '/',
    '//',
    '..',
    '../..',
    '/../',
    '~',
    '*',
    '#',
    '---\n',
    '...\n',
  ],
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'null',
    'true',
    'undefined',
    'NaN',
  ],
  ...[
    '-1',
    '-0',
    '0',
    '1e999',
    '1e308',
    '9007199254740993',
    '18446744073709551616',
    '0x10',
    '00',
    '1.5',
    'Infinity',
  ],
  ...['&a ', '*a', '<<: *a', '!!js/function ', '!!binary ', '? ', '- ', '|', '>', '[', ']', '{', '}', ','],
]

function changedText(
  text: string,
  other: string,
  { words = [] }: FuzzTarget,
  step: number,
  [at, more]: readonly [number, number],
): string {
  const from = at % size(text)
  const lines = text.split('\n')
  const line = at % lines.length
  const word = pick([...words, ...words, ...oddTexts], more)
  switch (step % 11) {
    case 0:
      return text.slice(0, from) + word + text.slice(from)
    case 1:
      return lines.toSpliced(line, 0, pick(lines, more)).join('\n')
    case 2:
      return lines.toSpliced(line, 1).join('\n')
    case 3:
      return lines.toSpliced(line, 0, pick(other.split('\n'), more)).join('\n')
    // A word in the place of a word or number.
    case 4: {
      const found = [...text.matchAll(/[A-Za-z0-9_+.-]+/g)]
      const chosen = found.length === 0 ? undefined : pick(found, at)
      if (chosen === undefined) return word
      return text.slice(0, chosen.index) + word + text.slice(chosen.index + chosen[0].length)
    }
    // One thing very often: what is quadratic or recursive shows.
    case 5:
      return text.slice(0, from) + often(word, more) + text.slice(from)
    case 6:
      return text.slice(0, from) + often(text.slice(from, from + 1), more) + text.slice(from)
    case 7:
      return lines.toSpliced(line, 0, often(`${lines[line] ?? ''}\n`, more)).join('\n')
    case 8:
      return lines.with(line, `  ${lines[line] ?? ''}`).join('\n')
    case 9:
      return text.slice(0, from) + text.slice(from + 1 + (more % 60))
    default:
      return text.slice(0, from) + other.slice(more % size(other))
  }
}

/** Text that stands in JSON as it is: a number that no double holds, a key that stands twice. */
class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const oddValues: readonly (() => unknown)[] = [
  ...[null, true, '', 'a', 0, -1, 1.5, -0, 2 ** 53, 8.64e15, 8.64e15 + 1, 1e308, 2 ** 31, 2 ** 32].map(
    (value) => () => value,
  ),
  ...['\ud800', '\u0000', '__proto__', '..', '/', 'sha256:', `sha256:${'0'.repeat(64)}`].map(
    (text) => () => text,
  ),
  ...['1e999', '-1e999', '1E400', '0.1e1', '123456789012345678901234567890'].map(
    (text) => () => new Raw(text),
  ),
  () => [],
  () => ({}),
  () => new Raw('{"__proto__":{"polluted":true}}'),
  () => new Raw('{"constructor":{"prototype":{"polluted":true}}}'),
]

/** What is large or deep takes its time: it comes less often. */
const largeValues: readonly (() => unknown)[] = [
  () => 'a'.repeat(20_000),
  () => Array.from({ length: 5_000 }, () => 0),
  () => Array.from({ length: 500 }, () => ({})),
  () => Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`k${i}`, i])),
  () => new Raw('['.repeat(15_000) + ']'.repeat(15_000)),
  () => new Raw(`${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`),
]

function oddValue(index: number): unknown {
  return pick(index % 32 === 31 ? largeValues : oddValues, index >> 5)()
}

interface Place {
  readonly holder: Record<string, unknown> | unknown[]
  readonly key: string | number
}

function changedJson(
  input: Uint8Array,
  other: Uint8Array,
  target: FuzzTarget,
  step: number,
  [at, more]: readonly [number, number],
): Uint8Array {
  const root = { value: jsonOf(input) }
  if (root.value === undefined)
    return Buffer.from(changedText(Buffer.from(input).toString(), '', target, step, [at, more]))
  const { holder, key } = pick(placesOf(root, 'value', []), at)
  const set = (value: unknown) =>
    Reflect.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
  const value: unknown = Reflect.get(holder, key)
  const word = pick([...(target.words ?? []), ...oddTexts], more)
  switch (step % 8) {
    case 0:
      set(oddValue(more))
      break
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else Reflect.deleteProperty(holder, key)
      break
    // A new key beside.
    case 2:
      Reflect.defineProperty(holder, word, {
        value: oddValue(at),
        enumerable: true,
        configurable: true,
        writable: true,
      })
      break
    case 3:
      set(
        typeof value === 'string'
          ? value.slice(0, more % size(value)) + word + value.slice(more % size(value))
          : word,
      )
      break
    // The same key twice.
    case 4:
      if (!Array.isArray(holder) && typeof key === 'string')
        set(new Raw(`${printJson(value)},${JSON.stringify(key)}:${printJson(oddValue(more))}`))
      break
    // A value from elsewhere, from here or from another input.
    case 5: {
      const from = { value: more % 2 === 0 ? jsonOf(other) : root.value }
      const place = pick(placesOf(from, 'value', []), more)
      set(structuredClone(Reflect.get(place.holder, place.key)))
      break
    }
    case 6:
      set(Array.isArray(value) ? Array.from({ length: 300 }, () => value[0]) : [value])
      break
    default:
      set(typeof value === 'number' ? value + ((more % 5) - 2) * 10 ** (more % 17) : value)
  }
  return Buffer.from(printJson(root.value))
}

function jsonOf(input: Uint8Array): unknown {
  // What is nested too deep to be walked through here changes as text.
  const text = Buffer.from(input).toString()
  if (text.includes('[[[[[[[[[[') || text.includes(':{"a":{"a":{"a":{')) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function placesOf(holder: object, key: string | number, found: Place[]): Place[] {
  found.push({ holder: holder as Place['holder'], key })
  const value: unknown = Reflect.get(holder, key)
  if (typeof value === 'object' && value !== null && found.length < 2_000)
    for (const inner of Object.keys(value))
      placesOf(value, Array.isArray(value) ? Number(inner) : inner, found)
  return found
}

function printJson(value: unknown): string {
  if (value instanceof Raw) return value.text
  if (Object.is(value, -0)) return '-0'
  // Not by its own `map`: the array may have been given another constructor.
  if (Array.isArray(value)) return `[${Array.from(value, printJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${printJson(inner)}`)
  return `{${fields.join(',')}}`
}

function pick<T>(from: readonly T[], index: number): T {
  const found = from[index % from.length]
  if (found === undefined) throw new Error('there is nothing to pick from')
  return found
}

function size({ length }: { readonly length: number }): number {
  return Math.max(1, length)
}
