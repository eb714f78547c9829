import { createPrivateKey, randomUUID } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { Reason } from '../core/index.ts'
import { limits } from './limits.ts'
import { readNodeKey } from './node-key.ts'
import type { ReplayMemory } from './replay-memory.ts'

const type = 'ashlar-node+jwt'

/** The one request that a credential is good for. */
export interface CredentialScope {
  readonly method: string
  /** The request's target as it is sent, query included. */
  readonly path: string
  /** Whom it is for: what node and server both know the server by. */
  readonly audience: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * What a node puts behind `Authorization: Bearer` : a JWS (RFC 7515, EdDSA) made with its own key, good for one request
 * within a minute. `htm` and `htu` are named after DPoP (RFC 9449).
 */
export function nodeCredential(
  claim: CredentialScope & { readonly node: string; readonly privateKey: string },
): Promise<string> {
  const issuedAt = Math.floor(claim.now / 1_000)
  return new SignJWT({ htm: claim.method, htu: claim.path })
    .setProtectedHeader({ alg: 'EdDSA', typ: type })
    .setSubject(claim.node)
    .setAudience(claim.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + limits.credentialSecondsMax)
    .setJti(randomUUID())
    .sign(createPrivateKey(claim.privateKey))
}

export type CredentialVerdict =
  | { readonly is: 'verified'; readonly node: string }
  /** `node` where the credential is surely that node's own, and only its time is wrong. */
  | { readonly is: 'refused'; readonly reason: Reason; readonly node?: string }

/**
 * Which node asks. `publicKeyOf` gives the PEM that a node enrolled with.
 *
 * Reasons: `credential-malformed`, `credential-unknown-node`, `credential-signature`, `credential-expired`,
 * `credential-other-request`, `credential-replayed`.
 */
export async function judgeNodeCredential(
  token: string,
  publicKeyOf: (node: string) => string | undefined | Promise<string | undefined>,
  scope: CredentialScope & { readonly seen: ReplayMemory },
): Promise<CredentialVerdict> {
  const node = subjectOf(token)
  if (node === undefined) return refuse('credential-malformed', 'this is not the credential of a node')
  const publicKey = await publicKeyOf(node)
  if (publicKey === undefined) return refuse('credential-unknown-node', `no node ${node} is enrolled`)
  const read = await verify(token, publicKey, scope)
  if (read.is === 'refused') return read
  const { claims } = read
  if (claims.htm !== scope.method || claims.htu !== scope.path)
    return refuse('credential-other-request', 'the credential was made for another request')
  const { jti: id, exp = 0, iat = 0 } = claims
  if (id === undefined || exp - iat > limits.credentialSecondsMax)
    return refuse('credential-malformed', 'the credential has no id or lives too long')
  const expiresAtMs = (exp + limits.clockSkewSecondsMax) * 1_000
  if (!scope.seen.claim({ node, id, expiresAtMs, now: scope.now }))
    return refuse('credential-replayed', 'the credential was used before, or the node made too many')
  return { is: 'verified', node }
}

/** Read before the signature is judged, to find the key to judge it with. */
function subjectOf(token: string): string | undefined {
  if (token.length > limits.credentialCharactersMax) return undefined
  try {
    const { sub } = decodeJwt(token)
    return typeof sub === 'string' ? sub : undefined
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

type Refused = Extract<CredentialVerdict, { is: 'refused' }>

async function verify(
  token: string,
  publicKey: string,
  scope: CredentialScope,
): Promise<{ readonly is: 'signed'; readonly claims: JWTPayload } | Refused> {
  try {
    const { payload } = await jwtVerify(token, readNodeKey(publicKey), {
      algorithms: ['EdDSA'],
      typ: type,
      audience: scope.audience,
      currentDate: new Date(scope.now),
      clockTolerance: limits.clockSkewSecondsMax,
      maxTokenAge: limits.credentialSecondsMax,
      requiredClaims: ['sub', 'iat', 'exp', 'jti', 'htm', 'htu'],
    })
    return { is: 'signed', claims: payload }
  } catch (error) {
    // The claims are judged after the signature: this is the node, at another time.
    if (
      error instanceof errors.JWTExpired ||
      (error instanceof errors.JWTClaimValidationFailed && error.claim === 'iat')
    )
      return mistimed(error.payload, scope.now)
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return refuse('credential-signature', "the credential was not signed with the node's key")
    if (error instanceof errors.JWTClaimValidationFailed)
      return error.claim === 'aud'
        ? refuse('credential-other-request', 'the credential was made for another server')
        : refuse('credential-malformed', `the credential's ${error.claim} does not hold`)
    if (error instanceof errors.JOSEError)
      return refuse('credential-malformed', 'this is not the credential of a node')
    throw error
  }
}

function mistimed({ iat = 0, sub }: JWTPayload, now: number): Refused {
  const [theirs, ours] = [iat * 1_000, now].map(timeOf)
  const message = `the credential was made at ${theirs} by the clock of the node, and here it is ${ours}`
  return { ...refuse('credential-expired', message), ...(sub !== undefined && { node: sub }) }
}

function timeOf(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'no time at all' : date.toISOString()
}

function refuse(code: string, message: string): Refused {
  return { is: 'refused', reason: { code, message } }
}
