import { assertBundleLatest, bundleFromJSON } from '@sigstore/bundle'
import { describe, expect, test } from 'vitest'
import { digestFromHex, mediaType, parseStatement, predicateType, statementAbout } from '../core/index.ts'
import { generateKeyPair, keyKinds, loadPrivateKey, preAuthEncoding, signStatement } from './index.ts'

const statement = statementAbout(digestFromHex('a'.repeat(64)), 'gateway', predicateType.signature, {})
const newKey = (kind: (typeof keyKinds)[number]) => loadPrivateKey(generateKeyPair(kind).privateKey)

describe('a signed statement', () => {
  test.each(keyKinds)('is a Sigstore bundle v0.3 with an empty keyid (%s)', (kind) => {
    const key = newKey(kind)
    const [bytes, ...more] = signStatement(statement, [key])
    expect(more).toEqual([])
    const json: unknown = JSON.parse(Buffer.from(bytes ?? []).toString())
    const bundle = bundleFromJSON(json)
    assertBundleLatest(bundle)
    expect(bundle.mediaType).toBe(mediaType.bundle)
    expect(bundle.verificationMaterial.content).toMatchObject({
      publicKey: {
        hint: Buffer.from(key.keyId.slice('sha256:'.length), 'hex').toString('base64'),
      },
    })
    expect(bundle.content).toMatchObject({
      dsseEnvelope: { payloadType: mediaType.inToto, signatures: [{ keyid: '' }] },
    })
    if (bundle.content.$case !== 'dsseEnvelope') throw new Error('no envelope')
    expect(parseStatement(bundle.content.dsseEnvelope.payload.toString())).toEqual(statement)
  })

  test('is one bundle for each key', () => {
    expect(signStatement(statement, [newKey('ed25519'), newKey('ecdsa-p256')])).toHaveLength(2)
  })

  test('has the same bytes when it is signed again with Ed25519', () => {
    const key = newKey('ed25519')
    expect(signStatement(statement, [key])).toEqual(signStatement(statement, [key]))
  })
})

test('the bytes that are signed are those of the DSSE protocol', () => {
  // dsse/protocol.md, "Test Vectors"
  expect(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  )
})
