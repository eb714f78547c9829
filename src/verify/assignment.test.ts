import { describe, expect, test } from 'vitest'
import { type Assignment, parseAssignment } from '../api/index.ts'
import { canonicalJson, digestFromHex, mediaType } from '../core/index.ts'
import { generateKeyPair, loadPrivateKey, signEnvelope } from '../sign/index.ts'
import { judgeAssignment, judgeEnvelope, judgeFloor, limits } from './index.ts'

const director = loadPrivateKey(generateKeyPair().privateKey)
const stranger = loadPrivateKey(generateKeyPair('ecdsa-p256').privateKey)
const trust = { director: { threshold: 1, keys: [director.publicKey] } }
const now = 1_700_000_000_000
const node = { name: 'node-1', keyDigest: digestFromHex('1'.repeat(64)) }
const assignment: Assignment = {
  apiVersion: 'ashlar/v1',
  kind: 'Assignment',
  node: 'node-1',
  nodeKey: node.keyDigest,
  order: { epoch: 2, number: 7 },
  release: digestFromHex('a'.repeat(64)),
  repository: 'gateway',
  issuedAt: now - 1_000,
  beginUntil: now + 60_000,
}
const order = (change: Partial<Assignment> = {}, key = director, type: string = mediaType.assignment) =>
  signEnvelope(type, canonicalJson({ ...assignment, ...change }), [key])
const judge = (
  envelope = order(),
  last: { epoch: number; number: number } | undefined = { epoch: 2, number: 6 },
) => judgeAssignment({ envelope, trust, parse: parseAssignment, node, last, now })

describe('an assignment', () => {
  test.each([
    ['is obeyed when it is the next', order(), { epoch: 2, number: 6 }],
    ['is obeyed when it is the first', order(), undefined],
    [
      'is obeyed when the server began a new epoch',
      order({ order: { epoch: 3, number: 0 } }),
      { epoch: 2, number: 6 },
    ],
    ['is obeyed in its last millisecond', order({ beginUntil: now }), undefined],
    ['is obeyed by a node whose clock is a little behind', order({ issuedAt: now + 60_000 }), undefined],
  ])('%s', (_name, envelope, last) => {
    const verdict = judgeAssignment({ envelope, trust, parse: parseAssignment, node, last, now })
    expect(verdict).toMatchObject({
      is: 'verified',
      assignment: { node: 'node-1' },
      signers: [director.keyId],
    })
  })

  test.each([
    ['a stranger signed it', order({}, stranger), 'assignment-signature'],
    ['nobody signed it', { ...order(), signatures: [] }, 'assignment-signature'],
    ['it was signed as something else', order({}, director, mediaType.inToto), 'assignment-signature'],
    [
      'it was changed after signing',
      { ...order(), payload: order({ node: 'node-2' }).payload },
      'assignment-signature',
    ],
    ['it is no assignment', signEnvelope(mediaType.assignment, '{}', [director]), 'assignment-malformed'],
    [
      'its text is not canonical',
      signEnvelope(mediaType.assignment, `${canonicalJson(assignment)}\n`, [director]),
      'assignment-malformed',
    ],
    ['it is for another node', order({ node: 'node-2' }), 'assignment-other-node'],
    [
      'it is for another machine of the same name',
      order({ nodeKey: digestFromHex('2'.repeat(64)) }),
      'assignment-other-node',
    ],
    ['it was accepted before', order({ order: { epoch: 2, number: 6 } }), 'assignment-replayed'],
    ['its number is lower', order({ order: { epoch: 2, number: 5 } }), 'assignment-replayed'],
    ['its epoch is lower', order({ order: { epoch: 1, number: 99 } }), 'assignment-replayed'],
    ['it had to be begun before', order({ beginUntil: now - 1 }), 'assignment-late'],
    [
      'it comes from the far future',
      order({ issuedAt: now + limits.issuedAheadMsMax + 1 }),
      'assignment-from-future',
    ],
    [
      'its times are past what a date can hold',
      order({ issuedAt: Number.MAX_SAFE_INTEGER, beginUntil: Number.MAX_SAFE_INTEGER }),
      'assignment-from-future',
    ],
  ])('is refused when %s', (_name, envelope, code) => {
    expect(judge(envelope)).toMatchObject({ is: 'refused', reason: { code } })
  })
})

describe('an envelope', () => {
  const [second, third] = [stranger, loadPrivateKey(generateKeyPair().privateKey)]
  const role = { threshold: 2, keys: [director.publicKey, second.publicKey, third.publicKey] }
  const signed = (...keys: (typeof director)[]) => signEnvelope('text/plain', 'hello', keys)
  const judged = (envelope = signed(director, second)) => judgeEnvelope(envelope, 'text/plain', role)

  test('is verified by as many keys as the role asks for', () => {
    const verdict = judged()
    expect(verdict).toMatchObject({ is: 'verified', signers: [director.keyId, second.keyId] })
    expect(verdict.is === 'verified' && Buffer.from(verdict.payload).toString()).toBe('hello')
  })

  test('does not ask what a keyid says', () => {
    const envelope = signed(director, third)
    const named = { ...envelope, signatures: envelope.signatures.map(({ sig }) => ({ keyid: 'x', sig })) }
    expect(judged(named).is).toBe('verified')
  })

  test.each([
    ['one key signed twice', signed(director, director), 'signatures-too-few'],
    ['nobody signed', signed(), 'signature-missing'],
    ['the payload is not base64', { ...signed(director, second), payload: 'aGVsbG8' }, 'envelope-malformed'],
    [
      'the payload is too long',
      signEnvelope('text/plain', Buffer.alloc(limits.payloadCharactersMax), [director, second]),
      'envelope-malformed',
    ],
    [
      'there are too many signatures',
      signed(...Array.from({ length: 65 }, () => director)),
      'envelope-malformed',
    ],
    ['the type is another', signEnvelope('text/html', 'hello', [director, second]), 'payload-type-wrong'],
  ])('is refused when %s', (_name, envelope, code) => {
    expect(judged(envelope)).toMatchObject({ is: 'refused', reason: { code } })
  })
})

test.each([
  [5, 4, undefined],
  [5, 5, undefined],
  [4, 5, 'below-floor'],
])('counter %i over floor %i: %s', (counter, floor, code) => {
  expect(judgeFloor(counter, floor)?.code).toBe(code)
})
