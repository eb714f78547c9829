import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestFromHex, predicateType, statementAbout, type TrustRole } from '../core/index.ts'
import { generateKeyPair, loadPrivateKey, signEnvelope, signStatement } from '../sign/index.ts'
import { judgeEvidence, judgeRelease, limits } from './index.ts'

const release = digestFromHex('a'.repeat(64))
const other = digestFromHex('b'.repeat(64))
const pairs = [generateKeyPair('ed25519'), generateKeyPair('ecdsa-p256'), generateKeyPair('ed25519')] as const
const [one, two, stranger] = [
  loadPrivateKey(pairs[0].privateKey),
  loadPrivateKey(pairs[1].privateKey),
  loadPrivateKey(pairs[2].privateKey),
]
const role = (threshold: number, ...keys: string[]): { release: TrustRole } => ({
  release: { threshold, keys },
})
const anyOf = role(1, one.publicKey, two.publicKey)
const both = role(2, one.publicKey, two.publicKey)

const about = (digest = release, type: string = predicateType.signature) =>
  statementAbout(digest, 'gateway', type, {})
const sign = (key = one, statement = about()) => signStatement(statement, [key])
const text = (bundles: Uint8Array[]) => Buffer.from(bundles[0] ?? []).toString()
const json = (bundles: Uint8Array[]) => JSON.parse(text(bundles)) as Record<string, Record<string, unknown>>
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
/** A good bundle with one thing changed. */
const changed = (change: (bundle: Record<string, Record<string, unknown>>) => void, bundles = sign()) => {
  const bundle = json(bundles)
  change(bundle)
  return bytes(bundle)
}
const envelopeOf = (bundle: Record<string, Record<string, unknown>>) =>
  bundle.dsseEnvelope as { payload: string; payloadType: string; signatures: { sig: string }[] }
/** What `key` signed, though it is no statement. */
const signedText = (payload: string, type = 'application/vnd.in-toto+json') =>
  changed((bundle) => {
    Object.assign(bundle, { dsseEnvelope: signEnvelope(type, payload, [one]) })
  })

const codes = (findings: readonly { code: string }[]) => findings.map((finding) => finding.code)

describe('a release is verified', () => {
  test.each([
    ['one signature where one is asked for (Ed25519)', anyOf, sign(one), [one.keyId]],
    ['one signature where one is asked for (P-256)', anyOf, sign(two), [two.keyId]],
    [
      'two signatures in two bundles where two are asked for',
      both,
      [...sign(one), ...sign(two)],
      [one.keyId, two.keyId],
    ],
    ['a bad bundle beside a good one', anyOf, [bytes('x'), ...sign(one)], [one.keyId]],
    ['a foreign signature beside a good one', anyOf, [...sign(stranger), ...sign(one)], [one.keyId]],
    [
      'a misleading hint',
      anyOf,
      [changed((b) => Object.assign(b.verificationMaterial?.publicKey ?? {}, { hint: 'x' }))],
      [one.keyId],
    ],
  ])('with %s', (_name, trust, bundles, signers) => {
    const verdict = judgeRelease({ release, bundles, trust })
    expect(verdict).toMatchObject({ is: 'verified', release: { digest: release, signers } })
  })
})

describe('a release is refused', () => {
  const compressed = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString()
  test.each([
    ['nothing is signed', anyOf, [], 'signature-missing', []],
    ['one of two signatures is there', both, sign(one), 'signatures-too-few', []],
    ['one key signed twice', both, [...sign(one), ...sign(one)], 'signatures-too-few', []],
    [
      'one key signed twice, and stands twice in the trust root',
      role(2, one.publicKey, `${one.publicKey}\n`, two.publicKey),
      [...sign(one), ...sign(one)],
      'signatures-too-few',
      [],
    ],
    ['a stranger signed', anyOf, sign(stranger), 'signature-missing', ['signer-unknown']],
    ['it is about another digest', anyOf, sign(one, about(other)), 'signature-missing', ['subject-wrong']],
    [
      'it says something else about the digest',
      anyOf,
      sign(one, about(release, predicateType.provenance)),
      'signature-missing',
      ['predicate-wrong'],
    ],
    [
      'the payload was exchanged',
      anyOf,
      [
        changed((b) => {
          envelopeOf(b).payload = envelopeOf(json(sign(one, about(other)))).payload
        }),
      ],
      'signature-missing',
      ['signature-bad'],
    ],
    [
      'the signature is of another statement',
      anyOf,
      [
        changed((b) => {
          envelopeOf(b).signatures = envelopeOf(json(sign(one, about(other)))).signatures
        }),
      ],
      'signature-missing',
      ['signature-bad'],
    ],
    [
      'the signature is empty',
      anyOf,
      [
        changed((b) => {
          envelopeOf(b).signatures = [{ sig: '' }]
        }),
      ],
      'signature-missing',
      ['signature-bad'],
    ],
    [
      'what was signed is no statement',
      anyOf,
      [signedText('{}')],
      'signature-missing',
      ['statement-malformed'],
    ],
    [
      'what was signed is no JSON',
      anyOf,
      [signedText('hello')],
      'signature-missing',
      ['statement-malformed'],
    ],
    [
      'it was signed as another type',
      anyOf,
      [signedText(JSON.stringify(about()), 'application/json')],
      'signature-missing',
      ['payload-type-wrong'],
    ],
    [
      'the type was exchanged after signing',
      anyOf,
      [
        changed(
          (b) => {
            envelopeOf(b).payloadType = 'application/vnd.in-toto+json'
          },
          [signedText(JSON.stringify(about()), 'application/json')],
        ),
      ],
      'signature-missing',
      ['signature-bad'],
    ],
    [
      'the only key in the trust root is RSA',
      role(1, compressed),
      sign(one),
      'signature-missing',
      ['trust-key-unusable', 'signer-unknown'],
    ],
    [
      'the only key in the trust root is garbage',
      role(1, 'x'),
      sign(one),
      'signature-missing',
      ['trust-key-unusable', 'signer-unknown'],
    ],
    [
      'it hides behind too many bundles',
      anyOf,
      [...Array.from({ length: limits.bundlesMax }, () => sign(one, about(other))).flat(), ...sign(one)],
      'signature-missing',
      [...Array.from({ length: limits.bundlesMax }, () => 'subject-wrong'), 'bundles-too-many'],
    ],
  ])('when %s', (_name, trust, bundles, reason, findings) => {
    const verdict = judgeRelease({ release, bundles, trust })
    expect(verdict).toMatchObject({ is: 'refused', reason: { code: reason } })
    expect(codes(verdict.findings)).toEqual(findings)
  })

  test('a threshold of none is not met by nothing', () => {
    expect(judgeRelease({ release, bundles: [], trust: role(0, one.publicKey) }).is).toBe('refused')
  })
})

describe('a bundle is malformed', () => {
  test.each([
    ['it is empty', bytes('')],
    ['it is no JSON', bytes('{')],
    ['it is no object', bytes('[]')],
    ['it is no UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')])],
    ['it is too long', Buffer.alloc(limits.bundleBytesMax + 1, ' ')],
    [
      'it is of another version',
      changed((b) => Object.assign(b, { mediaType: 'application/vnd.dev.sigstore.bundle.v0.2+json' })),
    ],
    ['it has an unknown field', changed((b) => Object.assign(b, { extra: 1 }))],
    ['it has a message signature', changed((b) => Object.assign(b, { messageSignature: {} }))],
    [
      'it has no envelope',
      changed((b) => {
        delete b.dsseEnvelope
      }),
    ],
    ['its envelope has an unknown field', changed((b) => Object.assign(b.dsseEnvelope ?? {}, { extra: 1 }))],
    [
      'it was signed with a certificate',
      changed((b) => Object.assign(b, { verificationMaterial: { certificate: { rawBytes: '' } } })),
    ],
    [
      'it has no signature',
      changed((b) => {
        envelopeOf(b).signatures = []
      }),
    ],
    [
      'it has two signatures',
      changed((b) => {
        envelopeOf(b).signatures.push({ sig: '' })
      }),
    ],
    ['its signature is a number', changed((b) => Object.assign(envelopeOf(b), { signatures: [{ sig: 1 }] }))],
    ['its payload is a number', changed((b) => Object.assign(envelopeOf(b), { payload: 1 }))],
  ])('when %s', (_name, bundle) => {
    const verdict = judgeRelease({ release, bundles: [bundle], trust: anyOf })
    expect(codes(verdict.findings)).toEqual(['bundle-malformed'])
    expect(verdict.is).toBe('refused')
  })

  test.each([
    ['is base64url', (sig: string) => sig.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')],
    ['has a line break', (sig: string) => `${sig.slice(0, 4)}\n${sig.slice(4)}`],
    ['has no padding', (sig: string) => sig.replace(/=+$/, '')],
    ['is too long', (sig: string) => sig.repeat(9)],
  ])('a signature that %s is not read', (_name, spell) => {
    const bundle = changed((b) => {
      envelopeOf(b).signatures = envelopeOf(b).signatures.map(({ sig }) => ({ sig: spell(sig) }))
    })
    const verdict = judgeRelease({ release, bundles: [bundle], trust: anyOf })
    expect(codes(verdict.findings)).toEqual(['envelope-malformed'])
  })
})

test('nothing that is no bundle is accepted or brings the judge down', () => {
  const good = json(sign())
  const keys = [
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
    'payload',
    'payloadType',
    'signatures',
    'sig',
  ]
  const value = fc.jsonValue({ maxDepth: 3 })
  const bundle = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    value.map(bytes),
    fc
      .dictionary(fc.constantFrom(...keys), value)
      .map((part) => bytes({ ...good, ...part, extra: undefined })),
    fc.dictionary(fc.constantFrom(...keys), value).map((part) => bytes({ ...good, dsseEnvelope: part })),
  )
  fc.assert(
    fc.property(bundle, (attached) => {
      fc.pre(!Buffer.from(attached).includes(envelopeOf(good).payload))
      expect(judgeRelease({ release, bundles: [attached], trust: anyOf }).is).toBe('refused')
    }),
    { numRuns: 2_000 },
  )
})

describe('evidence of one predicate type', () => {
  const provenance = (by: string) => statementAbout(release, 'gateway', predicateType.provenance, { by })
  const mine = provenance('us')
  const judge = (trust: typeof anyOf, bundles: Uint8Array[]) =>
    judgeEvidence({ release, bundles, trust, predicateType: predicateType.provenance })

  test.each([
    ['is what one key said where one is asked for', anyOf, sign(one, mine), [mine]],
    ['is told once, however often it was said', anyOf, [...sign(one, mine), ...sign(two, mine)], [mine]],
    ['is what two keys said alike', both, [...sign(one, mine), ...sign(two, mine)], [mine]],
    [
      'is not what two keys said each in its way',
      both,
      [...sign(one, mine), ...sign(two, provenance('them'))],
      [],
    ],
    ['is not what one key said twice', both, [...sign(one, mine), ...sign(one, mine)], []],
    ['is not a signature', anyOf, sign(one), []],
    ['is nothing where nothing is attached', role(0, one.publicKey), [], []],
  ])('%s', (_name, trust, bundles, statements) => {
    expect(judge(trust, bundles)).toEqual({ statements, findings: [] })
  })

  test('is not what a stranger said, nor what was said of another release', () => {
    const bundles = [
      ...sign(stranger, mine),
      ...sign(one, statementAbout(other, 'gateway', predicateType.provenance, {})),
    ]
    expect(judge(anyOf, bundles)).toMatchObject({
      statements: [],
      findings: [
        { code: 'signer-unknown', where: 'bundle 1' },
        { code: 'subject-wrong', where: 'bundle 2' },
      ],
    })
  })
})
