import { z } from 'zod'
import { type Digest, durationSchema, isDigest, isRepository } from '../core/index.ts'

const digest = z
  .custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a sha256 digest')
  .meta({ type: 'string' })
export const resourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'use lower-case letters, digits, dots and dashes')
const repository = z.string().refine(isRepository, 'not a repository name')
const labels = z.record(z.string().min(1).max(63), z.string().max(63))
/** Milliseconds since 1970. */
const instant = z.int().min(0)

/** What every resource has. `version` grows with each write and is what a write is compared with. */
export const metadataSchema = z.strictObject({
  name: resourceName,
  labels: labels.default({}),
  version: z.int().min(0).optional(),
  createdAt: instant.optional(),
  updatedAt: instant.optional(),
})
export type Metadata = z.infer<typeof metadataSchema>

export const reasonSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  check: z.string().optional(),
  exitCode: z.int().optional(),
  lastLines: z.array(z.string().max(2_000)).max(50).readonly().optional(),
})

export const slotSchema = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('empty') }),
  z.strictObject({ is: z.literal('staged'), release: digest }),
  z.strictObject({ is: z.literal('trial'), release: digest, bootsLeft: z.int().min(0) }),
  z.strictObject({ is: z.literal('good'), release: digest }),
  z.strictObject({ is: z.literal('bad'), release: digest, why: reasonSchema }),
])

/** An assignment's place in its node's order: a higher epoch wins, then a higher number. */
export const orderSchema = z.strictObject({ epoch: z.int().min(0), number: z.int().min(0) })
export type Order = z.infer<typeof orderSchema>

/** How an assignment ended on its node. */
export const outcomeSchema = z.strictObject({
  order: orderSchema,
  release: digest,
  is: z.enum(['confirmed', 'went-back', 'refused', 'failed']),
  reason: reasonSchema.optional(),
})
export type Outcome = z.infer<typeof outcomeSchema>

/** What a node reports of itself. Sent only when it changes. */
export const nodeStatusSchema = z.strictObject({
  agentVersion: z.string(),
  bootId: z.string(),
  /** The release in the slot that runs, and the digest of the root image as it was measured before this boot. */
  running: z.strictObject({
    slot: z.enum(['a', 'b']),
    release: digest,
    root: digest,
    /** Who measured: the launcher (nspawn) or the kernel (dm-verity). */
    measuredBy: z.enum(['launcher', 'dm-verity']),
    confirmed: z.boolean(),
  }),
  slots: z.strictObject({ a: slotSchema, b: slotSchema }),
  floor: z.int().min(0),
  /** The assignment that the agent works on. */
  working: z
    .strictObject({
      order: orderSchema,
      phase: z.enum(['verifying', 'downloading', 'staging', 'rebooting', 'trial']),
      bytesDone: z.int().min(0),
      bytesTotal: z.int().min(0),
    })
    .optional(),
  /** The last assignment that ended. */
  outcome: outcomeSchema.optional(),
  /** What the node wants a person to know: a confirmed release whose checks fail, stale orders. */
  warnings: z.array(reasonSchema).max(20),
})
export type NodeStatus = z.infer<typeof nodeStatusSchema>

export const nodeSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Node'),
  metadata: metadataSchema,
  /** Set at enrolment: the node's own public key (PEM). */
  spec: z.strictObject({ publicKey: z.string() }),
  status: z
    .strictObject({
      lastSeenAt: instant.optional(),
      /** Why its last request was refused, although it was surely its own: its clock is wrong. */
      refused: z.strictObject({ at: instant, code: z.string(), message: z.string() }).optional(),
      /** When it last reported, and what. */
      reportedAt: instant.optional(),
      observed: nodeStatusSchema.optional(),
      /** The order that the director gave last. */
      assigned: z
        .strictObject({ order: orderSchema, release: digest, repository, rollout: resourceName.optional() })
        .optional(),
    })
    .default({}),
})
export type Node = z.infer<typeof nodeSchema>

export const waveSchema = z.union([
  z.strictObject({ count: z.int().min(1) }),
  z.strictObject({ percent: z.int().min(1).max(100) }),
])
export type Wave = z.infer<typeof waveSchema>

export const fleetSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Fleet'),
  metadata: metadataSchema,
  spec: z.strictObject({
    nodes: z.strictObject({
      matchLabels: labels.refine((l) => Object.keys(l).length > 0, 'name at least one label'),
    }),
    /** Name of the image whose releases the fleet runs. */
    image: z.string().min(1),
    rollout: z
      .strictObject({
        /** Cumulative: a wave's count or percentage includes the waves before it. The last one is always everything. */
        waves: z
          .array(waveSchema)
          .min(1)
          .default([{ count: 1 }, { percent: 100 }]),
        /** A node that has not ended its assignment by then counts as failed. */
        deadline: durationSchema.default('15m'),
      })
      .prefault({}),
  }),
  status: z.strictObject({ release: digest.optional(), previous: digest.optional() }).default({}),
})
export type Fleet = z.infer<typeof fleetSchema>

/** A release that the registry holds. Its resource name is `sha256.` and the first 40 hex digits of its digest. */
export const releaseSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Release'),
  metadata: metadataSchema,
  spec: z.strictObject({
    digest,
    repository,
    image: z.string(),
    version: z.string(),
    counter: z.int().min(0),
    floor: z.int().min(0),
  }),
})
export type Release = z.infer<typeof releaseSchema>

export const nodeProgressSchema = z.strictObject({
  /** Index of its wave, from 0. */
  wave: z.int().min(0),
  state: z.enum([
    'waiting',
    'assigned',
    'confirmed',
    'went-back',
    'refused',
    'failed',
    'reverting',
    'reverted',
  ]),
  /** What it ran before. */
  previous: digest.optional(),
  order: orderSchema.optional(),
  assignedAt: instant.optional(),
  reason: reasonSchema.optional(),
})
export type NodeProgress = z.infer<typeof nodeProgressSchema>

export const rolloutSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1'),
  kind: z.literal('Rollout'),
  metadata: metadataSchema,
  spec: z.strictObject({
    fleet: resourceName,
    release: digest,
    repository,
    intent: z.enum(['update', 'revert']),
  }),
  status: z
    .strictObject({
      /** `halted`: a node failed; those that had confirmed are taken back, and nothing more is assigned. */
      phase: z.enum(['running', 'halted', 'succeeded']).default('running'),
      wave: z.int().min(0).default(0),
      waves: z.int().min(1).default(1),
      nodes: z.record(z.string(), nodeProgressSchema).default({}),
      reason: reasonSchema.optional(),
      startedAt: instant.optional(),
      endedAt: instant.optional(),
    })
    .prefault({}),
})
export type Rollout = z.infer<typeof rolloutSchema>

export const resourceSchema = z.discriminatedUnion('kind', [
  nodeSchema,
  fleetSchema,
  releaseSchema,
  rolloutSchema,
])
export type Resource = z.infer<typeof resourceSchema>
export type Kind = Resource['kind']
export type ResourceOf<K extends Kind> = Extract<Resource, { kind: K }>
export const resourceSchemas = {
  Node: nodeSchema,
  Fleet: fleetSchema,
  Release: releaseSchema,
  Rollout: rolloutSchema,
} as const satisfies Record<Kind, z.ZodType>

/** The path segment of each kind: `GET /v1/nodes`, `PUT /v1/fleets/plants-eu`. */
export const kindPaths = {
  Node: 'nodes',
  Fleet: 'fleets',
  Release: 'releases',
  Rollout: 'rollouts',
} as const satisfies Record<Kind, string>
