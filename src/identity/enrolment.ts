import { canonicalJson, type Digest, isDigest, isLoopback } from '../core/index.ts'
import { IdentityError } from './errors.ts'
import { limits } from './limits.ts'
import { parseToken } from './token.ts'

/** What an operator hands to a machine so that it can become a node: where the server is, how to know it, and who to be. */
export interface Enrolment {
  /** Origin: `https://10.0.0.1:7443`; `http` only where the server is on loopback. */
  readonly server: string
  /** SHA-256 of the certificate (DER) of the server's authority. Present exactly where the server speaks TLS. */
  readonly fingerprint?: Digest
  readonly node: string
  /** The one-time enrolment token. Secret, and with it the whole text. */
  readonly secret: string
}

const prefix = 'ashlar_enrol_'

/** One word that survives a shell, a file and a systemd credential. */
export function printEnrolment(enrolment: Enrolment): string {
  return prefix + Buffer.from(canonicalJson(enrolment)).toString('base64url')
}

/** Accepts only what {@link printEnrolment} gives. @throws IdentityError `enrolment-malformed`, without the text */
export function parseEnrolment(text: string): Enrolment {
  if (!text.startsWith(prefix) || text.length > limits.enrolmentCharactersMax)
    throw malformed(`it does not begin with ${prefix} or is too long`)
  const { server, fingerprint, node, secret } = decode(text.slice(prefix.length))
  if (typeof node !== 'string' || !/^[a-z0-9][a-z0-9.-]{0,62}$/.test(node))
    throw malformed('its node has no name')
  if (typeof secret !== 'string' || parseToken(secret)?.kind !== 'enrolment')
    throw malformed('it holds no enrolment token')
  if (typeof server !== 'string') throw malformed('it names no server')
  const enrolment = { node, secret, server, ...readFingerprint(server, fingerprint) }
  if (printEnrolment(enrolment) !== text) throw malformed('it is not in canonical form')
  return enrolment
}

/** A server away from loopback is known by its authority's fingerprint, or not at all. */
function readFingerprint(server: string, fingerprint: unknown): { readonly fingerprint?: Digest } {
  // Not `canParse`: Node's accepts a host of 20,000 capitals, and its parser then does not.
  const url = URL.parse(server)
  if (url?.origin !== server) throw malformed('its server is not an origin')
  if (url.protocol === 'https:' && typeof fingerprint === 'string' && isDigest(fingerprint))
    return { fingerprint }
  if (url.protocol === 'http:' && fingerprint === undefined && isLoopback(url.hostname)) return {}
  throw malformed('its server must be https with a fingerprint, or http on loopback without')
}

function decode(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    // The parser's message quotes the text, which is a secret: it is left out.
    throw malformed('it cannot be decoded')
  }
  if (typeof value === 'object' && value !== null) return { ...value }
  throw malformed('it cannot be decoded')
}

function malformed(why: string): IdentityError {
  return new IdentityError('enrolment-malformed', `the enrolment text cannot be used: ${why}`, {
    hint: 'make a new one with: ashlar token enrol NODE',
  })
}
