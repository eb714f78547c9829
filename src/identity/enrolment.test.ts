import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestFromHex } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { type Enrolment, mintToken, parseEnrolment, printEnrolment } from './index.ts'

const secret = mintToken(realSys.random, 'enrolment').token
const fingerprint = digestFromHex('f'.repeat(64))
const enrolment: Enrolment = { server: 'https://10.0.0.1:7443', fingerprint, node: 'node-1', secret }
const print = (value: unknown) => printEnrolment(value as Enrolment)

describe('an enrolment', () => {
  test.each([
    ['TLS at an address', enrolment],
    ['TLS at a name', { ...enrolment, server: 'https://ashlar.example' }],
    ['TLS at an IPv6 address', { ...enrolment, server: 'https://[fd00::1]:7443' }],
    ['loopback without TLS', { server: 'http://127.0.0.1:7443', node: 'node-1', secret }],
  ])('comes back as it was printed: %s', (_name, value) => {
    const text = printEnrolment(value)
    expect(text).toMatch(/^ashlar_enrol_[A-Za-z0-9_-]+$/)
    expect(parseEnrolment(text)).toEqual(value)
  })

  test.each([
    ['empty', ''],
    ['a bare token', secret],
    ['without its prefix', print(enrolment).slice('ashlar_enrol_'.length)],
    ['cut short', print(enrolment).slice(0, -9)],
    ['padded', `${print(enrolment)}=`],
    ['followed by a line break', `${print(enrolment)}\n`],
    ['too long', print({ ...enrolment, server: `https://${'a'.repeat(9_000)}` })],
    ['not an object', `ashlar_enrol_${Buffer.from('1').toString('base64url')}`],
    ['not JSON', `ashlar_enrol_${Buffer.from('{').toString('base64url')}`],
    [
      'JSON in another order',
      `ashlar_enrol_${Buffer.from(JSON.stringify({ server: enrolment.server, secret, node: 'node-1', fingerprint })).toString('base64url')}`,
    ],
    ['with an unknown field', print({ ...enrolment, extra: 1 })],
    ['without a node', print({ ...enrolment, node: undefined })],
    ['with a node that is no name', print({ ...enrolment, node: '../x' })],
    [
      'with a token of another kind',
      print({ ...enrolment, secret: mintToken(realSys.random, 'admin').token }),
    ],
    ['without a fingerprint for TLS', print({ ...enrolment, fingerprint: undefined })],
    ['with a fingerprint that is no digest', print({ ...enrolment, fingerprint: 'ff' })],
    [
      'without TLS away from loopback',
      print({ ...enrolment, server: 'http://10.0.0.1:7443', fingerprint: undefined }),
    ],
    ['with a fingerprint where there is no TLS', print({ ...enrolment, server: 'http://127.0.0.1:1' })],
    [
      'at loopback in name only',
      print({ ...enrolment, server: 'http://127.0.0.1.example', fingerprint: undefined }),
    ],
    ['with a path', print({ ...enrolment, server: 'https://10.0.0.1:7443/x' })],
    ['with a password', print({ ...enrolment, server: 'https://a:b@10.0.0.1:7443' })],
  ])('is refused when it is %s', (_name, text) => {
    expect(() => parseEnrolment(text)).toThrow(expect.objectContaining({ code: 'enrolment-malformed' }))
  })

  test('that is refused does not show its secret', () => {
    for (const text of [
      print({ ...enrolment, node: '' }),
      `ashlar_enrol_${Buffer.from(secret).toString('base64url')}`,
    ])
      try {
        parseEnrolment(text)
        expect.unreachable()
      } catch (error) {
        expect(String(error)).not.toContain(secret.slice(-20))
        expect((error as Error).cause).toBeUndefined()
      }
  })

  test('has one spelling: whatever is accepted is printed again as it was', () => {
    const text = printEnrolment(enrolment)
    const letters = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+/ ')
    fc.assert(
      fc.property(fc.nat(text.length - 1), letters, (at, letter) => {
        const changed = text.slice(0, at) + letter + text.slice(at + 1)
        try {
          expect(printEnrolment(parseEnrolment(changed))).toBe(changed)
        } catch (error) {
          expect(error).toMatchObject({ code: 'enrolment-malformed' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
