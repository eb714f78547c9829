import type { IncomingMessage } from 'node:http'
import type { TokenClaim } from '../api/index.ts'
import { type Reason, unreachable } from '../core/index.ts'
import { judgeNodeCredential, parseToken, type ReplayMemory } from '../identity/index.ts'
import type { Store } from '../store/index.ts'
import { CredentialRefused, ServerError } from './errors.ts'

/** Who sent a request. */
export type Principal =
  | { readonly is: 'operator'; readonly actor: string }
  | { readonly is: 'node'; readonly name: string; readonly actor: string }
  | {
      readonly is: 'enrolment'
      readonly claim: Extract<TokenClaim, { is: 'enrolment' }>
      readonly hash: string
      readonly actor: string
    }

export type Role = Principal['is']

export interface AuthenticationParts {
  readonly store: Store
  readonly audience: string
  readonly seen: ReplayMemory
  readonly now: () => number
  /** Is told of a node that is surely itself and is not let in. */
  readonly onRefused: (node: string, reason: Reason) => void
}

/** @throws ServerError `not-authenticated`, or CredentialRefused with the reason's code */
export async function authenticate(parts: AuthenticationParts, request: IncomingMessage): Promise<Principal> {
  const secret = secretOf(request.headers.authorization)
  if (secret === undefined) throw notAuthenticated('this server wants a credential')
  const token = parseToken(secret)
  if (token === undefined) return authenticateNode(parts, request, secret)
  const claim = await parts.store.claimOf(token.hash)
  if (claim?.is !== token.kind)
    throw notAuthenticated('the token is not known here, or has expired', hints[token.kind])
  switch (claim.is) {
    case 'admin':
      return { is: 'operator', actor: 'admin' }
    case 'operator':
      return { is: 'operator', actor: `operator:${claim.name}` }
    case 'enrolment':
      return { is: 'enrolment', claim, hash: token.hash, actor: `node:${claim.node}` }
    default:
      return unreachable(claim)
  }
}

async function authenticateNode(
  { store, audience, seen, now, onRefused }: AuthenticationParts,
  request: IncomingMessage,
  secret: string,
): Promise<Principal> {
  const verdict = await judgeNodeCredential(
    secret,
    async (node) => (await store.get('Node', node))?.spec.publicKey,
    { method: request.method ?? '', path: request.url ?? '', audience, now: now(), seen },
  )
  if (verdict.is === 'refused') {
    const { code, message } = verdict.reason
    if (verdict.node !== undefined) onRefused(verdict.node, verdict.reason)
    // Most likely a person's token that was cut or mistyped.
    if (code === 'credential-malformed')
      throw notAuthenticated('the credential is neither a token nor that of a node')
    throw new CredentialRefused(code, message)
  }
  return { is: 'node', name: verdict.node, actor: `node:${verdict.node}` }
}

/** What stands behind `Bearer`, or as the password behind `Basic`: container tools know only the latter. */
function secretOf(header: string | undefined): string | undefined {
  const [, scheme, value] = /^(bearer|basic) +(\S+)$/i.exec(header ?? '') ?? []
  if (scheme === undefined || value === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return value
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  return colon < 0 ? undefined : pair.slice(colon + 1)
}

const person =
  'log in with a token: ashlar login URL; the first one is printed when a server starts for the first time'
const hints = { admin: person, operator: person, enrolment: 'make a new one with: ashlar token enrol NODE' }

function notAuthenticated(message: string, hint = person): ServerError {
  return new ServerError('not-authenticated', message, { hint })
}
