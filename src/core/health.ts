import { z } from 'zod'

/** `30s`, `5m`, `2h`: a positive whole number and its unit. */
export const durationSchema = z
  .string()
  .regex(/^[1-9]\d{0,5}(?:s|m|h)$/, 'write a duration as 30s, 5m or 2h')
  .describe('A duration: a whole number and s, m or h.')

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds of a duration that {@link durationSchema} accepted. */
export function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * unitMs[text.at(-1) as keyof typeof unitMs]
}

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and dashes')
  .describe('Name of the check, as reports show it.')

/** A boot waits for its checks, and its watchdog for longer than that; Node's timers end at 24.8 days. */
const withinMsMax = 24 * unitMs.h
const within = durationSchema
  // Not `<=`: what is no duration at all (NaN) has had its finding.
  .refine((text) => !(durationMs(text) > withinMsMax), 'a check may keep failing for 24h at the most')
  .default('30s')
  .describe(
    'How long the check may keep failing before it has failed, 24h at the most. A unit in state failed fails its check at once.',
  )

/**
 * A check that a node runs before a boot counts as good. It is tried again, each second at the latest, until it holds or
 * `within` is over: `http` wants a status of 200 to 399, `tcp` an accepted connection, `exec` exit code 0, `unit` an
 * active systemd unit. A unit in state `failed` fails the check at once: nothing starts it again.
 */
export const healthCheckSchema = z
  .union([
    z.strictObject({
      name,
      http: z.url({ protocol: /^https?$/ }).describe('Must answer with a status of 200 to 399.'),
      within,
    }),
    z.strictObject({
      name,
      tcp: z
        .string()
        .regex(/^[^:\s]+:\d{1,5}$/, 'write host:port')
        .describe('Must accept a connection.'),
      within,
    }),
    z.strictObject({ name, unit: z.string().min(1).describe('systemd unit that must be active.'), within }),
    z.strictObject({
      name,
      exec: z.array(z.string()).min(1).describe('Program and arguments; must exit with 0.'),
      within,
    }),
  ])
  .describe('A check that a node runs before a boot counts as good.')

export type HealthCheck = z.infer<typeof healthCheckSchema>

/** Milliseconds that these checks may take at the most: they run all at once. */
export function longestCheckMs(checks: readonly HealthCheck[]): number {
  return Math.max(0, ...checks.map(({ within }) => durationMs(within)))
}
