import { z } from 'zod'
import { type Digest, durationSchema, isDigest, isRepository } from '../core/index.ts'

const digest = z
  .custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a sha256 digest')
  .meta({ type: 'string', description: 'Digest of a release: `sha256:` and 64 hex digits.' })
export const resourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'use lower-case letters, digits, dots and dashes')
const repository = z
  .string()
  .refine(isRepository, 'not a repository name')
  .describe('Repository of the registry that holds it.')
const labels = z.record(z.string().min(1).max(63), z.string().max(63))
const instant = z.int().min(0).describe('Milliseconds since 1970.')

/** What every resource has. */
export const metadataSchema = z.strictObject({
  name: resourceName.describe('Its name, one among its kind.'),
  labels: labels.default({}).describe('What selectors pick it by.'),
  version: z.int().min(0).optional().describe('Grows with each write; a write says which version it read.'),
  createdAt: instant.optional(),
  updatedAt: instant.optional(),
})
export type Metadata = z.infer<typeof metadataSchema>

export const reasonSchema = z.strictObject({
  code: z.string().describe('Stable name of the reason.'),
  message: z.string().describe('The reason in words.'),
  check: z.string().optional().describe('The health check that failed.'),
  exitCode: z.int().optional().describe('Its exit code.'),
  lastLines: z
    .array(z.string().max(2_000))
    .max(50)
    .readonly()
    .optional()
    .describe('The last lines that it wrote.'),
})

export const slotSchema = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('empty').describe('What it holds.') }),
  z.strictObject({ is: z.literal('staged'), release: digest }),
  z.strictObject({
    is: z.literal('trial'),
    release: digest,
    bootsLeft: z.int().min(0).describe('Boots that the trial still has.'),
  }),
  z.strictObject({ is: z.literal('good'), release: digest }),
  z.strictObject({
    is: z.literal('bad'),
    release: digest,
    why: reasonSchema.describe('Why it is never tried again.'),
  }),
])

/** An assignment's place in its node's order. */
export const orderSchema = z
  .strictObject({
    epoch: z.int().min(0).describe('Of the server’s database; a higher one wins.'),
    number: z.int().min(0).describe('Within the epoch; a higher one wins.'),
  })
  .describe('Place of an order among those of its node.')
export type Order = z.infer<typeof orderSchema>

/** How an assignment ended on its node. */
export const outcomeSchema = z.strictObject({
  order: orderSchema,
  release: digest,
  is: z.enum(['confirmed', 'went-back', 'refused', 'failed']).describe('How it ended.'),
  reason: reasonSchema.optional().describe('Why it did not end as confirmed.'),
})
export type Outcome = z.infer<typeof outcomeSchema>

/** What a node reports of itself. Sent only when it changes. */
export const nodeStatusSchema = z.strictObject({
  agentVersion: z.string().describe('Version of its agent.'),
  bootId: z.string().describe('Changes with each boot.'),
  running: z
    .strictObject({
      slot: z.enum(['a', 'b']).describe('The slot that runs.'),
      release: digest,
      root: digest.describe('Digest of the root image, as measured before this boot.'),
      measuredBy: z
        .enum(['launcher', 'dm-verity'])
        .describe('Who measured: the launcher (nspawn) or the kernel.'),
      confirmed: z.boolean().describe('Whether this boot has proved itself.'),
    })
    .describe('What runs.'),
  slots: z
    .strictObject({ a: slotSchema.describe('State of slot a.'), b: slotSchema.describe('State of slot b.') })
    .describe('Its two places for a release.'),
  floor: z.int().min(0).describe('Lowest counter that may still run there.'),
  working: z
    .strictObject({
      order: orderSchema,
      phase: z
        .enum(['verifying', 'downloading', 'staging', 'rebooting', 'trial'])
        .describe('How far it has come.'),
      bytesDone: z.int().min(0).describe('Bytes that are done.'),
      bytesTotal: z.int().min(0).describe('Bytes in all.'),
    })
    .optional()
    .describe('The order that the agent works on.'),
  outcome: outcomeSchema.optional().describe('How the last order ended.'),
  warnings: z
    .array(reasonSchema)
    .max(20)
    .describe('What the node wants a person to know: a confirmed release whose checks fail, stale orders, …'),
})
export type NodeStatus = z.infer<typeof nodeStatusSchema>

export const nodeSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1').describe('Form of this resource.'),
  kind: z.literal('Node').describe('What it is.'),
  metadata: metadataSchema.describe('Name, labels and version.'),
  spec: z
    .strictObject({ publicKey: z.string().describe('The node’s own public key (PEM), set at enrolment.') })
    .describe('Who it is.'),
  status: z
    .strictObject({
      lastSeenAt: instant.optional().describe('When its last request came.'),
      refused: z
        .strictObject({
          at: instant,
          code: z.string().describe('Stable name of the reason.'),
          message: z.string().describe('The reason in words.'),
        })
        .optional()
        .describe('Why its last request was refused, although it was surely its own: its clock is wrong.'),
      reportedAt: instant.optional().describe('When it last reported.'),
      observed: nodeStatusSchema.optional().describe('What it last reported.'),
      assigned: z
        .strictObject({
          order: orderSchema,
          release: digest,
          repository,
          rollout: resourceName.optional().describe('The rollout that it belongs to.'),
        })
        .optional()
        .describe('The order that the director gave last.'),
    })
    .default({})
    .describe('What is known of it.'),
})
export type Node = z.infer<typeof nodeSchema>

export const waveSchema = z.union([
  z.strictObject({ count: z.int().min(1).describe('So many nodes, with the waves before it.') }),
  z.strictObject({
    percent: z.int().min(1).max(100).describe('So many of a hundred nodes, with the waves before it.'),
  }),
])
export type Wave = z.infer<typeof waveSchema>

export const fleetSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1').describe('Form of this resource.'),
  kind: z.literal('Fleet').describe('What it is.'),
  metadata: metadataSchema.describe('Name, labels and version.'),
  spec: z
    .strictObject({
      nodes: z
        .strictObject({
          matchLabels: labels
            .refine((l) => Object.keys(l).length > 0, 'name at least one label')
            .describe('Labels that a node must all have.'),
        })
        .describe('Which nodes belong to it.'),
      image: z.string().min(1).describe('Name of the image whose releases the fleet runs.'),
      rollout: z
        .strictObject({
          waves: z
            .array(waveSchema)
            .min(1)
            .default([{ count: 1 }, { percent: 100 }])
            .describe('Who comes when. The last wave is always everything.'),
          deadline: durationSchema
            .default('15m')
            .describe('A node that has not ended its order by then counts as failed.'),
        })
        .prefault({})
        .describe('How its rollouts go.'),
    })
    .describe('What is wished.'),
  status: z
    .strictObject({
      release: digest.optional().describe('What it runs.'),
      previous: digest.optional().describe('What it ran before; a revert goes there.'),
    })
    .default({})
    .describe('What the server keeps of it.'),
})
export type Fleet = z.infer<typeof fleetSchema>

/** A release that the registry holds. Its resource name is `sha256.` and the first 40 hex digits of its digest. */
export const releaseSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1').describe('Form of this resource.'),
  kind: z.literal('Release').describe('What it is.'),
  metadata: metadataSchema.describe('Name, labels and version.'),
  spec: z
    .strictObject({
      digest,
      repository,
      image: z.string().describe('Name of the image.'),
      version: z.string().describe('Its semantic version.'),
      counter: z.int().min(0).describe('Its place in the order of its image’s releases.'),
      floor: z.int().min(0).describe('Lowest counter that may still run once it is confirmed.'),
    })
    .describe('What its release document says.'),
})
export type Release = z.infer<typeof releaseSchema>

export const nodeProgressSchema = z.strictObject({
  wave: z.int().min(0).describe('Index of its wave, from 0.'),
  state: z
    .enum(['waiting', 'assigned', 'confirmed', 'went-back', 'refused', 'failed', 'reverting', 'reverted'])
    .describe('How far it has come.'),
  previous: digest.optional().describe('What it ran before.'),
  order: orderSchema.optional(),
  assignedAt: instant.optional(),
  reason: reasonSchema.optional().describe('Why it did not do what it was told.'),
})
export type NodeProgress = z.infer<typeof nodeProgressSchema>

export const rolloutSchema = z.strictObject({
  apiVersion: z.literal('ashlar/v1').describe('Form of this resource.'),
  kind: z.literal('Rollout').describe('What it is.'),
  metadata: metadataSchema.describe('Name, labels and version.'),
  spec: z
    .strictObject({
      fleet: resourceName.describe('The fleet that moves.'),
      release: digest,
      repository,
      intent: z.enum(['update', 'revert']).describe('Forward, or back.'),
    })
    .describe('What is to happen; it never changes.'),
  status: z
    .strictObject({
      phase: z
        .enum(['running', 'halted', 'succeeded'])
        .default('running')
        .describe(
          '`halted`: a node failed; those that had confirmed are taken back, and nothing more is assigned.',
        ),
      wave: z.int().min(0).default(0).describe('The wave that is under way, from 0.'),
      waves: z.int().min(1).default(1).describe('How many waves there are.'),
      nodes: z.record(z.string(), nodeProgressSchema).default({}).describe('Each node by its name.'),
      reason: reasonSchema.optional().describe('Why it halted.'),
      startedAt: instant.optional(),
      endedAt: instant.optional(),
    })
    .prefault({})
    .describe('How far it has come.'),
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
