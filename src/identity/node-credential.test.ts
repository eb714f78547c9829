import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  createNodeKey,
  createReplayMemory,
  judgeNodeCredential,
  nodeCredential,
  publicKeyDigest,
} from './index.ts'
import { limits } from './limits.ts'

const key = createNodeKey()
const now = 1_700_000_000_000
const scope = { method: 'GET', path: '/v1/agent/assignment?epoch=1', audience: 'server-1', now }
const make = (change: Partial<typeof scope & { node: string; privateKey: string }> = {}) =>
  nodeCredential({ ...scope, node: 'node-1', privateKey: key.privateKey, ...change })
const enrolled = (node: string) => (node === 'node-1' ? key.publicKey : undefined)
const judge = async (
  token: string | Promise<string>,
  change: Partial<typeof scope> = {},
  seen = createReplayMemory(),
) => judgeNodeCredential(await token, enrolled, { ...scope, ...change, seen })

/** A token that a node's own program would not make. */
const forge = (claims: Record<string, unknown>, { header = {}, secret = key.privateKey } = {}) =>
  new SignJWT({
    sub: 'node-1',
    aud: 'server-1',
    iat: now / 1_000,
    exp: now / 1_000 + 60,
    jti: '1',
    htm: scope.method,
    htu: scope.path,
    ...claims,
  })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'ashlar-node+jwt', ...header })
    .sign(createPrivateKey(secret))

const unsigned = (alg: string) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg, typ: 'ashlar-node+jwt' })}.${part({ sub: 'node-1' })}.`
}
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

describe("a node's credential", () => {
  test.each([
    ['in its second', 0],
    ['at the end of its life, with the clocks apart', 119_000],
    ['on a server whose clock is behind', -59_000],
  ])('says who asks %s', async (_name, laterMs) => {
    expect(await judge(make(), { now: now + laterMs })).toEqual({ is: 'verified', node: 'node-1' })
  })

  test.each([
    ['it is no token', 'hello', 'credential-malformed'],
    ['it is too long', 'a'.repeat(limits.credentialCharactersMax + 1), 'credential-malformed'],
    ['its node is unknown', make({ node: 'node-2' }), 'credential-unknown-node'],
    ['another key signed it', make({ privateKey: createNodeKey().privateKey }), 'credential-signature'],
    ['nobody signed it', unsigned('none'), 'credential-malformed'],
    ['it names an algorithm without a signature', unsigned('EdDSA'), 'credential-signature'],
    [
      'it was signed by another algorithm',
      forge({}, { header: { alg: 'ES256' }, secret: p256 }),
      'credential-malformed',
    ],
    ['it is a token of another type', forge({}, { header: { typ: 'JWT' } }), 'credential-malformed'],
    ['it is for another server', make({ audience: 'server-2' }), 'credential-other-request'],
    ['it is for another method', make({ method: 'PUT' }), 'credential-other-request'],
    ['it is for another path', make({ path: '/v1/agent/status' }), 'credential-other-request'],
    ['it is for another query', make({ path: '/v1/agent/assignment?epoch=2' }), 'credential-other-request'],
    ['it is old', make({ now: now - 121_000 }), 'credential-expired'],
    ['it is from the future', make({ now: now + 61_000 }), 'credential-expired'],
    ['it lives too long', forge({ exp: now / 1_000 + 61 }), 'credential-malformed'],
    ['it began long ago', forge({ iat: now / 1_000 - 3_600 }), 'credential-expired'],
    ['it never ends', forge({ exp: undefined }), 'credential-malformed'],
    ['it has no id', forge({ jti: undefined }), 'credential-malformed'],
    ['its subject is no text', forge({ sub: 1 }), 'credential-malformed'],
  ])('is refused when %s', async (_name, token, code) => {
    expect(await judge(token)).toMatchObject({ is: 'refused', reason: { code } })
  })

  test('is refused when any of its signed text was changed', async () => {
    const token = await make()
    const signedText = (text: string) => text.slice(0, text.lastIndexOf('.'))
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.string({ maxLength: 2 }), async (at, put) => {
        const changed = token.slice(0, at) + put + token.slice(at + 1)
        const { is } = await judge(changed)
        if (signedText(changed) !== signedText(token)) expect(is).toBe('refused')
      }),
      { numRuns: 1_000 },
    )
  })

  test('serves once', async () => {
    const [token, seen] = [await make(), createReplayMemory()]
    expect((await judge(token, {}, seen)).is).toBe('verified')
    expect(await judge(token, {}, seen)).toMatchObject({ reason: { code: 'credential-replayed' } })
    expect((await judge(make(), {}, seen)).is).toBe('verified')
  })

  test('that was refused for another request is not used up', async () => {
    const [token, seen] = [await make(), createReplayMemory()]
    expect((await judge(token, { method: 'PUT' }, seen)).is).toBe('refused')
    expect((await judge(token, {}, seen)).is).toBe('verified')
  })
})

describe('the memory of credentials', () => {
  const claim = (memory: ReturnType<typeof createReplayMemory>, node: string, id: number, at = now) =>
    memory.claim({ node, id: String(id), expiresAtMs: at + 1_000, now: at })

  test('lets a loud node lock out itself alone, until its credentials expire', () => {
    const memory = createReplayMemory()
    for (let id = 0; id < limits.credentialsPerNodeMax; id++) expect(claim(memory, 'loud', id)).toBe(true)
    expect(claim(memory, 'loud', limits.credentialsPerNodeMax)).toBe(false)
    expect(claim(memory, 'calm', 0)).toBe(true)
    expect(claim(memory, 'loud', 0, now + 1_001)).toBe(true)
  })
})

describe("a node's key", () => {
  test('has the digest of its public half', () => {
    expect(publicKeyDigest(key.publicKey)).toBe(key.digest)
  })

  test.each([
    ['text', 'hello'],
    ['a private key', key.privateKey],
    [
      'a key of another kind',
      generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString(),
    ],
  ])('is not %s', (_name, pem) => {
    expect(() => publicKeyDigest(pem)).toThrow(expect.objectContaining({ code: 'node-key-unusable' }))
  })
})
