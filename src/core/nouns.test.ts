import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestFromHex, parseDigest, shortDigest } from './digest.ts'
import { durationMs } from './health.ts'
import { parseReference, printReference } from './reference.ts'
import { isAbout, parseStatement, statementAbout } from './statement.ts'
import { counterOfVersion, parseVersion } from './version.ts'

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })

describe('a digest', () => {
  test('is 64 lower-case hex digits behind sha256:', () => {
    fc.assert(fc.property(hex, (text) => shortDigest(digestFromHex(text)) === text.slice(0, 12)))
  })

  test.each([
    '',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha512:${'a'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(64)}\n`,
  ])('%j is none', (text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'digest-malformed' }))
  })
})

describe('a reference', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  test.each([
    ['gateway', { repository: 'gateway' }],
    ['gateway:1.1.0', { repository: 'gateway', tag: '1.1.0' }],
    ['plants/gateway:1', { repository: 'plants/gateway', tag: '1' }],
    ['127.0.0.1:7480/gateway:1', { registry: '127.0.0.1:7480', repository: 'gateway', tag: '1' }],
    ['localhost/gateway', { registry: 'localhost', repository: 'gateway' }],
    [`registry:5000/a/b@${digest}`, { registry: 'registry:5000', repository: 'a/b', digest }],
    [`gateway:1@${digest}`, { repository: 'gateway', tag: '1', digest }],
  ])('%s is read and printed again', (text, reference) => {
    expect(parseReference(text)).toEqual(reference)
    expect(printReference(parseReference(text))).toBe(text)
  })

  test.each(['', 'Gateway', 'gateway:', 'a@b', `a@${digest}@${digest}`, 'a//b', '../a', 'a:b:c d'])(
    '%j is none',
    (text) => {
      expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'reference-malformed' }))
    },
  )

  test('nothing but a reference or its typed error comes of any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return printReference(parseReference(text)) === text
        } catch (error) {
          return (error as { code?: string }).code === 'reference-malformed'
        }
      }),
    )
  })
})

describe('a version', () => {
  test('gives counters in the order of versions', () => {
    const part = fc.integer({ min: 0, max: 9_000 })
    fc.assert(
      fc.property(fc.tuple(part, part, part), fc.tuple(part, part, part), (a, b) => {
        const [left, right] = [a, b].map((parts) => counterOfVersion(parseVersion(parts.join('.'))))
        const order = a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
        return Math.sign((left ?? 0) - (right ?? 0)) === Math.sign(order)
      }),
    )
  })

  test('too large for a counter is refused', () => {
    expect(() => counterOfVersion(parseVersion('1.1000000.0'))).toThrow(
      expect.objectContaining({ code: 'version-out-of-range' }),
    )
  })

  test.each(['1', '1.0', 'v1.0.0', '01.0.0', '1.0.0-', '1.0.0 '])('%j is none', (text) => {
    expect(() => parseVersion(text)).toThrow(expect.objectContaining({ code: 'version-malformed' }))
  })
})

describe('a statement', () => {
  const release = parseDigest(`sha256:${'1'.repeat(64)}`)
  const other = parseDigest(`sha256:${'2'.repeat(64)}`)

  test('is about the release it names and no other', () => {
    const statement = parseStatement(
      JSON.stringify(statementAbout(release, 'gateway', 'https://example.com/p', {})),
    )
    expect([isAbout(statement, release), isAbout(statement, other)]).toEqual([true, false])
  })

  test.each(['', '[]', '{}', JSON.stringify({ ...statementAbout(release, 'x', 'p', {}), subject: [] })])(
    '%s is none',
    (text) => {
      expect(() => parseStatement(text)).toThrow(expect.objectContaining({ code: 'statement-malformed' }))
    },
  )
})

test.each([
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
])('the duration %s is %d ms', (text, ms) => {
  expect(durationMs(text)).toBe(ms)
})
