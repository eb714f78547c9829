import {
  type Digest,
  digestHex,
  type Finding,
  isAbout,
  mediaType,
  parseStatement,
  predicateType,
  type Reason,
  type Statement,
  StatementError,
  type TrustRoot,
} from '../core/index.ts'
import { type Bundle, parseBundle } from './bundle.ts'
import { openEnvelope, type Refused, refuse, signersOf, tooFew } from './envelope.ts'
import { keysOf, type VerifyingKey } from './keys.ts'
import { limits } from './limits.ts'

/** A release that enough release keys of a trust root have signed. Only {@link judgeRelease} makes one. */
export interface VerifiedRelease {
  readonly __brand: 'VerifiedRelease'
  readonly digest: Digest
  /** The ids of the distinct release keys that signed. */
  readonly signers: readonly Digest[]
}

/** `findings` names every bundle that did not count; a verified release may have some too. */
export type ReleaseVerdict =
  | { readonly is: 'verified'; readonly release: VerifiedRelease; readonly findings: readonly Finding[] }
  | { readonly is: 'refused'; readonly reason: Reason; readonly findings: readonly Finding[] }

/**
 * Whether enough distinct release keys say that this digest is a release. The signatures may be spread over several
 * bundles; a bundle that does not count is a finding and does not spoil the others, since anyone who may write to the
 * registry can attach one.
 *
 * Reasons: `signature-missing` when no release key signed, `signatures-too-few` below the threshold.
 * Findings: `bundle-malformed`, `payload-type-wrong`, `envelope-malformed`, `signer-unknown`, `signature-bad`,
 * `statement-malformed`, `subject-wrong`, `predicate-wrong`, `bundles-too-many`, `trust-key-unusable`.
 */
export function judgeRelease(question: {
  readonly release: Digest
  readonly bundles: readonly Uint8Array[]
  readonly trust: Pick<TrustRoot, 'release'>
}): ReleaseVerdict {
  const { release, bundles } = question
  const { threshold } = question.trust.release
  const { keys, findings: unusable } = keysOf(question.trust.release)
  const verdicts = bundles.slice(0, limits.bundlesMax).map((bytes) => judgeBundle(bytes, release, keys))
  const signers: readonly Digest[] = [
    ...new Set(verdicts.flatMap((verdict) => (verdict.is === 'signed' ? verdict.by : []))),
  ]
  const findings = [
    ...unusable,
    ...verdicts.flatMap((verdict, index) =>
      verdict.is === 'refused' ? [{ ...verdict.reason, where: `bundle ${index + 1}` }] : [],
    ),
    ...(bundles.length > limits.bundlesMax ? [tooMany(bundles.length)] : []),
  ]
  if (signers.length > 0 && signers.length >= threshold)
    return { is: 'verified', release: { digest: release, signers } as VerifiedRelease, findings }
  return { is: 'refused', reason: tooFew(signers.length, threshold), findings }
}

export interface EvidenceVerdict {
  /** What enough release keys said, each statement once. */
  readonly statements: readonly Statement[]
  readonly findings: readonly Finding[]
}

/**
 * The statements of one predicate type about a release that enough distinct release keys signed, letter for letter the
 * same. A bundle with another predicate is passed over; one that does not hold is a finding, as in {@link judgeRelease}.
 */
export function judgeEvidence(question: {
  readonly release: Digest
  readonly bundles: readonly Uint8Array[]
  readonly trust: Pick<TrustRoot, 'release'>
  readonly predicateType: string
}): EvidenceVerdict {
  const { keys, findings: unusable } = keysOf(question.trust.release)
  const verdicts = question.bundles
    .slice(0, limits.bundlesMax)
    .map((bytes) => judgeStatement(bytes, question.release, keys))
  const signed = verdicts.filter(
    (verdict) => verdict.is === 'signed' && verdict.statement.predicateType === question.predicateType,
  ) as SignedStatement[]
  const byText = Map.groupBy(signed, ({ text }) => text)
  const enough = [...byText.values()].filter(
    (same) => new Set(same.flatMap(({ by }) => by)).size >= question.trust.release.threshold,
  )
  return {
    statements: enough.flatMap((same) => same.slice(0, 1).map(({ statement }) => statement)),
    findings: [
      ...unusable,
      ...verdicts.flatMap((verdict) => (verdict.is === 'refused' ? [verdict.reason] : [])),
    ],
  }
}

interface SignedStatement {
  readonly is: 'signed'
  readonly by: readonly Digest[]
  readonly statement: Statement
  /** The signed bytes. */
  readonly text: string
}

function judgeBundle(
  bytes: Uint8Array,
  release: Digest,
  keys: readonly VerifyingKey[],
): SignedStatement | Refused {
  const verdict = judgeStatement(bytes, release, keys)
  if (verdict.is === 'signed' && verdict.statement.predicateType !== predicateType.signature)
    return refuse('predicate-wrong', `the statement says ${verdict.statement.predicateType}`)
  return verdict
}

/** The signature is judged before a byte of the statement is read. */
function judgeStatement(
  bytes: Uint8Array,
  release: Digest,
  keys: readonly VerifyingKey[],
): SignedStatement | Refused {
  const bundle = parseBundle(bytes)
  if (typeof bundle === 'string') return refuse('bundle-malformed', bundle)
  const opened = openEnvelope(bundle.envelope, mediaType.inToto)
  if (opened.is === 'refused') return opened
  const by = signersOf(opened, keys)
  if (by.length === 0) return refuseSigner(bundle, keys)
  const statement = readStatement(opened.payload)
  if (statement === undefined) return refuse('statement-malformed', 'what was signed is no in-toto statement')
  if (!isAbout(statement, release)) return refuse('subject-wrong', 'the statement is about something else')
  return { is: 'signed', by, statement, text: Buffer.from(opened.payload).toString('base64') }
}

function refuseSigner(bundle: Bundle, keys: readonly VerifyingKey[]): Refused {
  const named = keys.find(
    (key) => Buffer.from(digestHex(key.keyId), 'hex').toString('base64') === bundle.hint,
  )
  return named === undefined
    ? refuse('signer-unknown', 'it was signed by a key that the trust root does not name')
    : refuse('signature-bad', `it names ${named.keyId}, but that key did not sign these bytes`)
}

function readStatement(payload: Uint8Array): Statement | undefined {
  try {
    return parseStatement(Buffer.from(payload).toString())
  } catch (error) {
    if (error instanceof StatementError) return undefined
    throw error
  }
}

function tooMany(count: number): Finding {
  return {
    code: 'bundles-too-many',
    message: `only the first ${limits.bundlesMax} of ${count} bundles were read`,
  }
}
