import type { Problem } from '../api/index.ts'
import { AshlarError, type ErrorDetail } from '../core/index.ts'

export class ServerError extends AshlarError<
  | 'not-authenticated'
  | 'not-allowed'
  | 'route-unknown'
  | 'resource-unknown'
  | 'request-invalid'
  | 'in-use'
  | 'address-not-advertised'
> {}

/** A node's credential that was judged and refused; the code says why. */
export class CredentialRefused extends AshlarError {}

/** Statuses of errors by their codes. What is not here is our fault and tells the client nothing about the inside. */
const statuses: Readonly<Record<string, number>> = {
  'request-invalid': 400,
  'node-key-unusable': 400,
  'release-missing': 400,
  'not-authenticated': 401,
  'token-spent': 401,
  'not-allowed': 403,
  'route-unknown': 404,
  'resource-unknown': 404,
  'fleet-unknown': 404,
  'release-unknown': 404,
  'rollout-unknown': 404,
  conflict: 409,
  'in-use': 409,
  'fleet-empty': 409,
  'release-of-other-image': 409,
  'nothing-to-revert': 409,
  'rollout-running': 409,
  'rollout-ended': 409,
  'node-busy': 409,
  contended: 503,
  'disk-full': 507,
}

/** The one place where an error becomes an answer. */
export function toHttp(error: unknown): { readonly status: number; readonly problem: Problem } {
  if (error instanceof CredentialRefused) return { status: 401, problem: problemOf(error) }
  if (error instanceof AshlarError && statuses[error.code] !== undefined)
    return { status: statuses[error.code] ?? 500, problem: problemOf(error) }
  const status = refusedByFramework(error)
  if (status !== undefined) {
    const message = error instanceof Error ? error.message : 'the request cannot be read'
    return { status, problem: problemOf(new ServerError('request-invalid', message)) }
  }
  const hidden = 'the server failed; its operator finds the cause in its log'
  return { status: 500, problem: { error: { code: 'internal', message: hidden } } }
}

/** Fastify refuses a body that is too large, of another type, or no JSON, before any of our code sees it. */
function refusedByFramework(error: unknown): number | undefined {
  const { statusCode } = error instanceof Error ? (error as Error & { statusCode?: unknown }) : {}
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined
}

function problemOf({ code, message, hint, where }: AshlarError & ErrorDetail): Problem {
  return {
    error: { code, message, ...(hint !== undefined && { hint }), ...(where !== undefined && { where }) },
  }
}
