import { describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { mintToken, parseToken, tokenHash } from './index.ts'

const { random } = realSys

describe('a token', () => {
  test.each(['admin', 'operator', 'enrolment'] as const)('of kind %s is told by its text', (kind) => {
    const { token, hash } = mintToken(random, kind)
    expect(parseToken(token)).toEqual({ kind, hash })
    expect(hash).toBe(tokenHash(token))
  })

  test('is never made twice', () => {
    expect(mintToken(random, 'admin').token).not.toBe(mintToken(random, 'admin').token)
  })

  const { token } = mintToken(random, 'admin')
  test.each([
    ['empty', ''],
    ['of an unknown kind', token.replace('admin', 'root')],
    ['too short', token.slice(0, -1)],
    ['too long', `${token}A`],
    ['followed by a line break', `${token}\n`],
    ['spelt otherwise, though it decodes to the same bytes', `${token.slice(0, -1)}B`],
  ])('is none when it is %s', (_name, text) => {
    expect(parseToken(text)).toBeUndefined()
  })
})
