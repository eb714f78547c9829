import {
  AshlarError,
  type Digest,
  isHigher,
  mediaType,
  type Order,
  type Reason,
  type TrustRoot,
} from '../core/index.ts'
import { type Envelope, judgeEnvelope, type Refused, refuse } from './envelope.ts'
import { limits } from './limits.ts'

/** What is judged of an assignment; `api` has the whole of it. */
export interface AssignmentClaims {
  readonly node: string
  readonly nodeKey: Digest
  readonly order: Order
  /** Milliseconds since 1970, as is `beginUntil`. */
  readonly issuedAt: number
  readonly beginUntil: number
}

export type AssignmentVerdict<Claims> =
  | { readonly is: 'verified'; readonly assignment: Claims; readonly signers: readonly Digest[] }
  | Refused

/**
 * Whether the director ordered this, this node is meant, and the order is newer than the last and still to be begun.
 * `parse` is `parseAssignment` of `api`; it sees the payload only after its signatures held.
 *
 * Reasons: `assignment-signature`, `assignment-malformed`, `assignment-other-node`, `assignment-replayed`,
 * `assignment-late`, `assignment-from-future`.
 */
export function judgeAssignment<Claims extends AssignmentClaims>(question: {
  readonly envelope: Envelope
  readonly trust: Pick<TrustRoot, 'director'>
  readonly parse: (text: string) => Claims
  readonly node: { readonly name: string; readonly keyDigest: Digest }
  /** The highest order that the node ever accepted; none before the first. */
  readonly last: Order | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}): AssignmentVerdict<Claims> {
  const verdict = judgeEnvelope(question.envelope, mediaType.assignment, question.trust.director)
  if (verdict.is === 'refused')
    return refuse('assignment-signature', `the director's proof does not hold: ${verdict.reason.message}`)
  const assignment = read(verdict.payload, question.parse)
  if (assignment === undefined) return refuse('assignment-malformed', 'the assignment cannot be read')
  const reason = objection(assignment, question)
  if (reason !== undefined) return { is: 'refused', reason }
  return { is: 'verified', assignment, signers: verdict.signers }
}

function read<Claims>(payload: Uint8Array, parse: (text: string) => Claims): Claims | undefined {
  try {
    return parse(Buffer.from(payload).toString())
  } catch (error) {
    if (error instanceof AshlarError) return undefined
    throw error
  }
}

function objection(
  claims: AssignmentClaims,
  { node, last, now }: Pick<Parameters<typeof judgeAssignment>[0], 'node' | 'last' | 'now'>,
): Reason | undefined {
  if (claims.node !== node.name)
    return {
      code: 'assignment-other-node',
      message: `the order is for ${claims.node}, and this is ${node.name}`,
    }
  if (claims.nodeKey !== node.keyDigest)
    return {
      code: 'assignment-other-node',
      message: `the order is for a machine named ${node.name} that has another key`,
    }
  if (last !== undefined && !isHigher(claims.order, last))
    return {
      code: 'assignment-replayed',
      message: `order ${print(claims.order)} is not above ${print(last)}, which was accepted before`,
    }
  if (now > claims.beginUntil)
    return {
      code: 'assignment-late',
      message: `the order had to be begun by ${new Date(claims.beginUntil).toISOString()}`,
    }
  if (claims.issuedAt > now + limits.issuedAheadMsMax)
    return {
      code: 'assignment-from-future',
      message: `the order was issued ${Math.round((claims.issuedAt - now) / 3_600_000)} hours ahead of this node's clock`,
    }
  return undefined
}

function print(order: Order): string {
  return `${order.epoch}.${order.number}`
}
