import { generateKeyPairSync, verify } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { generateKeyPair, keyKinds, loadPrivateKey } from './index.ts'

const hello = Buffer.from('hello')

describe.each(keyKinds)('a key of kind %s', (kind) => {
  test('signs what its public half verifies', () => {
    const pair = generateKeyPair(kind)
    const key = loadPrivateKey(pair.privateKey)
    expect(key).toMatchObject({ kind, keyId: pair.keyId, publicKey: pair.publicKey })
    const hash = kind === 'ed25519' ? null : 'sha256'
    expect(verify(hash, hello, pair.publicKey, key.sign(hello))).toBe(true)
    expect(verify(hash, Buffer.from('hellO'), pair.publicKey, key.sign(hello))).toBe(false)
  })

  test('is opened by its passphrase and nothing else', () => {
    const pair = generateKeyPair(kind, 'open sesame')
    expect(pair.privateKey).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    expect(loadPrivateKey(pair.privateKey, 'open sesame').keyId).toBe(pair.keyId)
    expect(() => loadPrivateKey(pair.privateKey)).toThrow(
      expect.objectContaining({ code: 'passphrase-missing' }),
    )
    for (const wrong of ['open sesam', ''])
      expect(() => loadPrivateKey(pair.privateKey, wrong)).toThrow(
        expect.objectContaining({ code: 'passphrase-wrong' }),
      )
  })

  test('shows its secret to no log', () => {
    const pair = generateKeyPair(kind)
    const key = loadPrivateKey(pair.privateKey)
    const secret = pair.privateKey.split('\n')[1]
    expect(inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key)).not.toContain(secret)
  })
})

describe('what is no key', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
  test.each([
    ['plain text', 'hello', 'key-unreadable'],
    ['a public key', generateKeyPair().publicKey, 'key-unreadable'],
    ['a key cut short', generateKeyPair().privateKey.slice(0, 60), 'key-unreadable'],
    ['RSA', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'key-kind-unsupported'],
    ['P-384', p384.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'key-kind-unsupported'],
  ])('%s is refused', (_name, pem, code) => {
    expect(() => loadPrivateKey(pem)).toThrow(expect.objectContaining({ code }))
  })
})
