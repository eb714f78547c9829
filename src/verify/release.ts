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
import { isEnough, openEnvelope, type Refused, refuse, signersOf, tooFew } from './envelope.ts'
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

/** A release, what is attached to it, and whom to believe. */
export interface ReleaseQuestion {
  readonly release: Digest
  readonly bundles: readonly Uint8Array[]
  readonly trust: Pick<TrustRoot, 'release'>
}

/**
 * Whether enough distinct release keys say that this digest is a release. The signatures may be spread over several
 * bundles; a bundle that does not count is a finding and does not spoil the others, since anyone who may write to the
 * registry can attach one.
 *
 * Reasons: `signature-missing` when no release key signed, `signatures-too-few` below the threshold.
 * Findings: `bundle-malformed`, `payload-type-wrong`, `envelope-malformed`, `signer-unknown`, `signature-bad`,
 * `statement-malformed`, `subject-wrong`, `predicate-wrong`, `bundles-too-many`, `trust-key-unusable`.
 */
export function judgeRelease(question: ReleaseQuestion): ReleaseVerdict {
  const { threshold } = question.trust.release
  const judged = judgeBundles(question)
  const [signatures, others] = partition(judged.signed, predicateType.signature)
  const findings = [...judged.findings, ...others.map(wrongPredicate)]
  const signers = signersOfAll(signatures)
  if (isEnough(signers, threshold))
    return { is: 'verified', release: { digest: question.release, signers } as VerifiedRelease, findings }
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
export function judgeEvidence(
  question: ReleaseQuestion & { readonly predicateType: string },
): EvidenceVerdict {
  const { signed, findings } = judgeBundles(question)
  const [wanted] = partition(signed, question.predicateType)
  const statements = Map.groupBy(wanted, ({ text }) => text)
    .values()
    .filter((same) => isEnough(signersOfAll(same), question.trust.release.threshold))
    .flatMap((same) => same.slice(0, 1).map(({ statement }) => statement))
  return { statements: [...statements], findings }
}

/** A statement about the release that at least one release key signed. */
interface SignedStatement {
  readonly is: 'signed'
  readonly by: readonly Digest[]
  readonly statement: Statement
  /** The signed bytes. */
  readonly text: string
}
type Placed = SignedStatement & { readonly where: string }

function judgeBundles({ release, bundles, trust }: ReleaseQuestion): {
  readonly signed: readonly Placed[]
  readonly findings: readonly Finding[]
} {
  const { keys, findings: unusable } = keysOf(trust.release)
  const signed: Placed[] = []
  const findings: Finding[] = [...unusable]
  for (const [index, bytes] of bundles.slice(0, limits.bundlesMax).entries()) {
    const verdict = judgeBundle(bytes, release, keys)
    const where = `bundle ${index + 1}`
    if (verdict.is === 'signed') signed.push({ ...verdict, where })
    else findings.push({ ...verdict.reason, where })
  }
  if (bundles.length > limits.bundlesMax) findings.push(tooMany(bundles.length))
  return { signed, findings }
}

/** The signature is judged before a byte of the statement is read. */
function judgeBundle(
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
  return { is: 'signed', by, statement, text: bundle.envelope.payload }
}

function partition(signed: readonly Placed[], type: string): [readonly Placed[], readonly Placed[]] {
  const isWanted = ({ statement }: Placed) => statement.predicateType === type
  return [signed.filter(isWanted), signed.filter((item) => !isWanted(item))]
}

function signersOfAll(signed: readonly Placed[]): readonly Digest[] {
  return [...new Set(signed.flatMap(({ by }) => by))]
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

function wrongPredicate({ statement, where }: Placed): Finding {
  return { code: 'predicate-wrong', message: `the statement says ${statement.predicateType}`, where }
}

function tooMany(count: number): Finding {
  return {
    code: 'bundles-too-many',
    message: `only the first ${limits.bundlesMax} of ${count} bundles were read`,
  }
}
