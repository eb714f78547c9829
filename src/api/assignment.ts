import { z } from 'zod'
import { AshlarError, canonicalJson, type Digest, isDigest, isRepository } from '../core/index.ts'
import { orderSchema, resourceName } from './resources.ts'

/**
 * "Node N is to run digest D": the payload of a DSSE envelope of type `application/vnd.ashlar.assignment.v1+json`
 * that the director signs.
 */
export const assignmentSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Assignment'),
  node: resourceName,
  /** SHA-256 of the node's public key (SubjectPublicKeyInfo, DER): another machine of the same name cannot use it. */
  nodeKey: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  order: orderSchema,
  release: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  repository: z.string().refine(isRepository),
  rollout: resourceName.optional(),
  /** Milliseconds since 1970. */
  issuedAt: z.int().min(0),
  /** Milliseconds since 1970. The order may be begun until then; expiry never stops what runs. */
  beginUntil: z.int().min(0),
})
export type Assignment = z.infer<typeof assignmentSchema>

export class AssignmentError extends AshlarError<'assignment-malformed'> {}

/** Accepts only the canonical text. @throws AssignmentError `assignment-malformed` */
export function parseAssignment(text: string): Assignment {
  try {
    const assignment = assignmentSchema.parse(JSON.parse(text))
    if (canonicalJson(assignment) === text) return assignment
  } catch (cause) {
    throw new AssignmentError('assignment-malformed', 'the assignment cannot be read', { cause })
  }
  throw new AssignmentError('assignment-malformed', 'the assignment is not in canonical form')
}

/** DSSE envelope as JSON: payload and signatures are base64. */
export const envelopeSchema = z.strictObject({
  payloadType: z.string(),
  payload: z.base64(),
  signatures: z
    .array(z.strictObject({ keyid: z.string().optional(), sig: z.base64() }))
    .min(1)
    .max(64),
})
export type Envelope = z.infer<typeof envelopeSchema>
