import type { Problem } from '../api/index.ts'
import { AshlarError } from '../core/index.ts'

export class ServerError extends AshlarError<
  | 'not-authenticated'
  | 'not-allowed'
  | 'route-unknown'
  | 'resource-unknown'
  | 'request-invalid'
  | 'in-use'
  | 'address-not-advertised'
  | 'authority-damaged'
  | 'clock-far-off'
  | 'client-too-old'
  | 'server-too-old'
> {}

/** A node's credential that was judged and refused; the code says why. */
export class CredentialRefused extends AshlarError {}

/**
 * Status of each error, and what mends it where the error itself does not say so better. What is not here is our fault
 * and tells the client nothing about the inside.
 */
const answers: Readonly<Record<string, readonly [status: number, hint: string]>> = {
  'request-invalid': [
    400,
    'mend what the message names; an ashlar of the server’s version sends what it takes',
  ],
  'node-key-unusable': [
    400,
    'send an Ed25519 public key as PEM: openssl genpkey -algorithm ed25519 makes a pair',
  ],
  'client-too-old': [400, 'install the version that the server runs'],
  'server-too-old': [400, 'bring the server up to the version of the client'],
  'release-missing': [400, 'name it by its digest; ashlar get releases shows which there are'],
  'not-authenticated': [401, 'log in with a token: ashlar login URL'],
  'token-spent': [401, 'make a new one with: ashlar token enrol NODE'],
  'credential-unknown-node': [401, 'enrol the machine again, with the text of: ashlar token enrol NODE'],
  'credential-signature': [
    401,
    'another machine enrolled under this name; give each its own with: ashlar token enrol NODE',
  ],
  'credential-expired': [401, 'compare the clocks of node and server with: date --utc'],
  'credential-other-request': [401, 'a credential is made for one request to one server: make one for this'],
  'credential-replayed': [401, 'make a new credential for each request'],
  'not-allowed': [403, 'ashlar token operator NAME makes a token that may do what people do'],
  'route-unknown': [404, 'is the client of the server’s version? See: ashlar --version'],
  'resource-unknown': [404, 'ashlar get shows which there are'],
  'fleet-unknown': [404, 'ashlar get fleets shows which there are'],
  'release-unknown': [404, 'ashlar get releases shows which there are'],
  'rollout-unknown': [404, 'ashlar get rollouts shows which there are'],
  conflict: [409, 'read it again and make the change to what is there'],
  'in-use': [409, 'wait until the rollout has ended'],
  'fleet-empty': [409, 'ashlar get nodes shows which labels the nodes have'],
  'release-of-other-image': [409, 'ashlar get releases shows of which image each one is'],
  'nothing-to-revert': [409, 'name the release by its digest'],
  'rollout-running': [409, 'wait for it with: ashlar rollout watch ROLLOUT'],
  'rollout-ended': [409, 'ashlar get rollouts shows which are running'],
  'node-busy': [409, 'wait for it with: ashlar rollout watch ROLLOUT'],
  contended: [503, 'try again in a moment'],
  'disk-full': [507, 'make space on the disk of the server'],
}

/** As the wire has it; the hint, which old servers left out, is always there. */
type Answer = Problem & { readonly error: { readonly hint: string } }

/** The one place where an error becomes an answer. */
export function toHttp(error: unknown): { readonly status: number; readonly problem: Answer } {
  const known = error instanceof AshlarError ? answers[error.code] : undefined
  if (error instanceof AshlarError && known !== undefined)
    return { status: known[0], problem: problemOf(error, known[1]) }
  const status = refusedByFramework(error)
  if (status !== undefined) {
    const message = error instanceof Error ? error.message : 'the request cannot be read'
    const hint = 'send JSON of at most 1 MiB as application/json, to an address that is percent-encoded'
    return { status, problem: problemOf(new ServerError('request-invalid', message), hint) }
  }
  const message = 'the server failed'
  const hint = 'its operator finds the cause in what ashlar serve wrote to its standard error'
  return { status: 500, problem: { error: { code: 'internal', message, hint } } }
}

/** Fastify refuses a body that is too large, of another type, or no JSON, before any of our code sees it. */
function refusedByFramework(error: unknown): number | undefined {
  const { statusCode } = error instanceof Error ? (error as Error & { statusCode?: unknown }) : {}
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined
}

function problemOf({ code, message, hint, where }: AshlarError, otherwise: string): Answer {
  return { error: { code, message, hint: hint ?? otherwise, ...(where !== undefined && { where }) } }
}
