import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { envelopeSchema, parseAssignment } from '../api/index.ts'
import { digestFromHex, parseTrustRoot } from '../core/index.ts'
import { judgeAssignment, judgeRelease } from './index.ts'

/** Made once, by Ashlar 0.1.0 where no other is named, and never again: nodes in the field hold proofs of this form. */
const frozen = join(import.meta.dirname, '../../test/compat/proof')
const read = (name: string) => readFileSync(join(frozen, name))
const trust = parseTrustRoot(read('trust.json').toString())
const release = digestFromHex('0123456789abcdef'.repeat(4))

describe('frozen proof is still accepted', () => {
  test.each(['ed25519', 'ecdsa-p256'])('a bundle signed with %s', (kind) => {
    const verdict = judgeRelease({
      release,
      bundles: [read(`${kind}.bundle`)],
      trust: { release: { ...trust.release, threshold: 1 } },
    })
    expect(verdict).toMatchObject({ is: 'verified', findings: [] })
  })

  test('both together, where two are asked for', () => {
    const bundles = ['ed25519', 'ecdsa-p256'].map((kind) => read(`${kind}.bundle`))
    expect(judgeRelease({ release, bundles, trust }).is).toBe('verified')
  })

  test('a bundle that cosign 3.1.3 signed', () => {
    const keys = [read('cosign-3.1.3.pub').toString()]
    const verdict = judgeRelease({
      release: digestFromHex('d163e5ae9c819b6755d72f89331c5cceeed491cf26c6cfd5e4f29393466c2401'),
      bundles: [read('cosign-3.1.3.bundle')],
      trust: { release: { threshold: 1, keys } },
    })
    expect(verdict).toMatchObject({ is: 'verified', findings: [] })
  })

  test('an assignment', () => {
    const verdict = judgeAssignment({
      envelope: envelopeSchema.parse(JSON.parse(read('assignment.json').toString())),
      trust,
      parse: parseAssignment,
      node: { name: 'node-1', keyDigest: digestFromHex('1'.repeat(64)) },
      last: undefined,
      now: 1_700_000_000_000,
    })
    expect(verdict).toMatchObject({ is: 'verified', assignment: { release, rollout: 'plants-1' } })
  })
})
