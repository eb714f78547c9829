import { z } from 'zod'
import type { Digest } from '../core/index.ts'
import { envelopeSchema } from './assignment.ts'
import {
  metadataSchema,
  nodeSchema,
  nodeStatusSchema,
  orderSchema,
  resourceName,
  rolloutSchema,
} from './resources.ts'

/** `POST /v1/tokens`: an operator makes a token. It is shown once; only its hash is kept. */
export const tokenRequestSchema = z.discriminatedUnion('is', [
  /** Lets one node enrol, once. */
  z.strictObject({
    is: z.literal('enrolment'),
    node: resourceName,
    labels: metadataSchema.shape.labels,
    ttlSeconds: z.int().min(1).max(604_800).default(3_600),
  }),
  /** Lets a person or program do everything that the admin token does, until it expires. */
  z.strictObject({
    is: z.literal('operator'),
    name: resourceName,
    ttlSeconds: z.int().min(1).max(31_536_000).default(86_400),
  }),
])
export type TokenRequest = z.input<typeof tokenRequestSchema>
export const tokenAnswerSchema = z.strictObject({ token: z.string(), expiresAt: z.int() })
export type TokenAnswer = z.infer<typeof tokenAnswerSchema>

/** What a token lets its bearer do. */
export const tokenClaimSchema = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('admin') }),
  z.strictObject({ is: z.literal('operator'), name: resourceName }),
  z.strictObject({
    is: z.literal('enrolment'),
    node: resourceName,
    labels: metadataSchema.shape.labels,
  }),
])
export type TokenClaim = z.infer<typeof tokenClaimSchema>

/** `POST /v1/enrol`, with the enrolment token as its bearer credential. */
export const enrolRequestSchema = z.strictObject({
  /** PEM, SubjectPublicKeyInfo, Ed25519. */
  publicKey: z.string().max(2_000),
})
export const enrolAnswerSchema = z.strictObject({ node: resourceName, epoch: z.int().min(0) })
export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>

/**
 * Whom a node's credential is made for, so that it is good at no other server: the fingerprint of the server's authority.
 * A server on loopback speaks plain HTTP and has none.
 */
export function credentialAudience(fingerprint: Digest | undefined): string {
  return fingerprint ?? 'ashlar-loopback'
}

/** `GET /v1/agent/assignment?epoch=E&number=N&waitSeconds=S`: 200 with a newer order, or 204 when none came. */
export const assignmentAnswerSchema = z.strictObject({ order: orderSchema, envelope: envelopeSchema })
export type AssignmentAnswer = z.infer<typeof assignmentAnswerSchema>

export const assignmentQuerySchema = z.strictObject({
  epoch: z.coerce.number().int().min(0),
  number: z.coerce.number().int().min(0),
  waitSeconds: z.coerce.number().min(0).optional(),
})

/** `PUT /v1/agent/status` */
export const statusRequestSchema = nodeStatusSchema

/** `PUT /v1/nodes/{name}`: only its labels are an operator's; the rest is said by the node itself and the director. */
export const nodeLabelsSchema = z.looseObject({ kind: z.literal('Node'), metadata: metadataSchema })

/** The `{name}` in an address. */
export const namedSchema = z.strictObject({ name: z.string() })

/** `GET /v1/{kind}/{name}?after=V&waitSeconds=S`: 200 when its version is, or becomes, above V; else 204 when the time is over. */
export const watchQuerySchema = z.strictObject({
  after: z.coerce.number().int().min(0).optional(),
  waitSeconds: z.coerce.number().min(0).optional(),
})

/** `DELETE /v1/{kind}/{name}?version=V`: only if that is still the current one. */
export const removeQuerySchema = z.strictObject({ version: z.coerce.number().int().min(1).optional() })

/** `POST /v1/rollouts`: the server names it `<fleet>-<n>`. */
export const rolloutRequestSchema = z.strictObject({
  fleet: resourceName,
  /** `sha256:…` of a release that the registry holds. For a revert it may be left out: what the fleet ran before. */
  release: z.string().optional(),
  intent: z.enum(['update', 'revert']).default('update'),
})
export type RolloutRequest = z.input<typeof rolloutRequestSchema>

/** `GET /v1/nodes/{name}/why`: all that stands behind what a node runs; the caller judges it. */
export const whyAnswerSchema = z.strictObject({
  node: nodeSchema,
  rollout: rolloutSchema.optional(),
  assignment: assignmentAnswerSchema.optional(),
})
export type WhyAnswer = z.infer<typeof whyAnswerSchema>

export const logQuerySchema = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).default(100),
})

/** One row of the log, as `GET /v1/log?after=N` lists it. */
export const logEntrySchema = z.strictObject({
  sequence: z.int().min(1),
  at: z.int(),
  /** `admin`, `operator:NAME`, `node:NAME`, `director`, `server`. */
  actor: z.string(),
  /** `fleet.apply`, `rollout.start`, `assignment.give`, `node.enrol`, `release.register` … */
  action: z.string(),
  /** `Fleet/plants-eu` */
  subject: z.string(),
  detail: z.unknown(),
})
export type LogEntry = z.infer<typeof logEntrySchema>

/** `GET /v1/nodes`, `GET /v1/log`: everything that was asked for, in one answer. */
export const listAnswerSchema = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item) })

/** The body of every answer above 399. */
export const problemSchema = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    where: z.string().optional(),
  }),
})
export type Problem = z.infer<typeof problemSchema>
