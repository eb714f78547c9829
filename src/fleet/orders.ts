import { createHash, createPublicKey } from 'node:crypto'
import type { Assignment, Node, Order } from '../api/index.ts'
import { canonicalJson, type Digest, digestFromHex, mediaType } from '../core/index.ts'
import type { GivenAssignment, SignAssignment } from './ports.ts'

export interface OrderInput {
  readonly node: Node
  readonly order: Order
  readonly release: Digest
  readonly repository: string
  readonly rollout: string
  readonly now: number
  /** Milliseconds from now until which the node may begin. */
  readonly beginMs: number
}

/** "Node N is to run digest D", signed by the director. */
export function signedOrder(input: OrderInput, sign: SignAssignment): GivenAssignment {
  const { node, order, release, repository, rollout, now } = input
  const assignment: Assignment = {
    apiVersion: 'ashlar/v1',
    kind: 'Assignment',
    node: node.metadata.name,
    nodeKey: keyDigest(node.spec.publicKey),
    order,
    release,
    repository,
    rollout,
    issuedAt: now,
    beginUntil: now + input.beginMs,
  }
  return {
    node: node.metadata.name,
    order,
    envelope: sign(mediaType.assignment, canonicalJson(assignment)),
  }
}

/** SHA-256 of a public key (SubjectPublicKeyInfo, DER). */
function keyDigest(pem: string): Digest {
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })
  return digestFromHex(createHash('sha256').update(der).digest('hex'))
}
