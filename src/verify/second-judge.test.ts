import { createPublicKey } from 'node:crypto'
import { bundleFromJSON } from '@sigstore/bundle'
import { toSignedEntity, Verifier } from '@sigstore/verify'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestFromHex, predicateType, statementAbout } from '../core/index.ts'
import { generateKeyPair, type KeyKind, keyKinds, loadPrivateKey, signStatement } from '../sign/index.ts'
import { judgeRelease } from './index.ts'

const release = digestFromHex('a'.repeat(64))

function fixture(kind: KeyKind) {
  const pair = generateKeyPair(kind)
  const statement = statementAbout(release, 'gateway', predicateType.signature, {})
  const [bundle = Buffer.of()] = signStatement(statement, [loadPrivateKey(pair.privateKey)])
  return { pair, bundle: Buffer.from(bundle) }
}

const decode = (bundle: Uint8Array) => bundleFromJSON(JSON.parse(Buffer.from(bundle).toString()))

/** Sigstore's own verifier, told to look for no log and no timestamp: does the signature hold? */
function accepts(bundle: Uint8Array, publicKey: string): boolean {
  const trusted = { publicKey: createPublicKey(publicKey), validFor: () => true }
  const verifier = new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      publicKey: () => trusted,
    },
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
  )
  try {
    verifier.verify(toSignedEntity(decode(bundle)))
    return true
  } catch {
    return false
  }
}

const ours = (bundle: Uint8Array, publicKey: string) =>
  judgeRelease({ release, bundles: [bundle], trust: { release: { threshold: 1, keys: [publicKey] } } }).is ===
  'verified'

/** What the signature is about; equal in every spelling of one bundle. */
function essence(bundle: Uint8Array): unknown {
  const { content } = decode(bundle)
  if (content.$case !== 'dsseEnvelope') return content.$case
  const { payload, payloadType, signatures } = content.dsseEnvelope
  return [payload.toString('hex'), payloadType, signatures.map(({ sig }) => sig.toString('hex'))]
}

/** A byte exchanged, put in or taken out. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.integer({ min: 0, max: 255 }),
  how: fc.constantFrom('exchange', 'insert', 'remove'),
})

function mutate(
  bundle: Buffer,
  { at, byte, how }: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
) {
  const index = Math.floor(at * bundle.length)
  const rest = bundle.subarray(how === 'insert' ? index : index + 1)
  return Buffer.concat([bundle.subarray(0, index), how === 'remove' ? Buffer.of() : Buffer.of(byte), rest])
}

describe.each(keyKinds)('@sigstore/verify as the second judge (%s)', (kind) => {
  const { pair, bundle } = fixture(kind)

  test('both accept a good bundle, and neither under a foreign key', () => {
    const foreign = generateKeyPair(kind).publicKey
    expect([ours(bundle, pair.publicKey), accepts(bundle, pair.publicKey)]).toEqual([true, true])
    expect([ours(bundle, foreign), accepts(bundle, foreign)]).toEqual([false, false])
  })

  test('both agree on mutated bundles, save that ours wants the one usual spelling', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const changed = mutations.reduce(mutate, bundle)
        const [we, they] = [ours(changed, pair.publicKey), accepts(changed, pair.publicKey)]
        if (we) expect(they).toBe(true)
        // Where only they accept, nothing that was signed has changed: a field nobody reads, or base64 spelt otherwise.
        if (they && !we) expect(essence(changed)).toEqual(essence(bundle))
      }),
      { numRuns: 1_000 },
    )
  })
})
