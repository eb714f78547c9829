import { createHash, createPrivateKey, createPublicKey, sign as cryptoSign } from 'node:crypto'
import { envelopeSchema, parseAssignment } from '../../../src/api/index.ts'
import {
  canonicalJson,
  mediaType,
  parseDigest,
  parseTrustRoot,
  predicateType,
} from '../../../src/core/index.ts'
import {
  certificateFingerprint,
  createAuthority,
  createReplayMemory,
  IdentityError,
  judgeNodeCredential,
  parseEnrolment,
  parseToken,
  printEnrolment,
  publicKeyDigest,
} from '../../../src/identity/index.ts'
import { loadPrivateKey, signEnvelope } from '../../../src/sign/index.ts'
import {
  judgeAssignment,
  judgeEvidence,
  judgeRelease,
  readPublicKey,
  VerifyKeyError,
} from '../../../src/verify/index.ts'
import { type FuzzTarget, promise, RefusedByFindings, textOf } from '../target.ts'
import { digest, statement, trustRoot } from './core.ts'

/** The same key in each run (RFC 8410, PKCS#8 around 32 bytes), so that an input means the same again. */
const secret = createHash('sha256').update('a key for fuzzing').digest()
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]),
  ...{ format: 'der', type: 'pkcs8' },
})
const key = loadPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
export const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
const trust = parseTrustRoot(
  canonicalJson({
    ...trustRoot,
    ...{ release: { threshold: 1, keys: [publicPem] }, director: { threshold: 1, keys: [publicPem] } },
  }),
)
const release = parseDigest(digest)
const now = 1_700_000_000_000

/** A bundle around any payload, with a signature that is right. */
function bundleOf(payload: Uint8Array): string {
  const envelope = signEnvelope(mediaType.inToto, payload, [key])
  return canonicalJson({
    ...{ mediaType: mediaType.bundle, dsseEnvelope: envelope },
    verificationMaterial: { publicKey: { hint: 'x' } },
  })
}

function judgeBundle(bundle: Uint8Array): void {
  const question = { release, bundles: [bundle], trust }
  const { statements } = judgeEvidence({ ...question, predicateType: predicateType.provenance })
  if (statements.length > 0) return
  const verdict = judgeRelease(question)
  if (verdict.is === 'refused') throw new RefusedByFindings()
  promise(
    verdict.release.digest === release && verdict.release.signers.length === 1,
    'signed by somebody else',
  )
}

const signature = canonicalJson({ ...statement, predicateType: predicateType.signature, predicate: {} })

export const assignment = {
  ...{ apiVersion: 'ashlar/v1', kind: 'Assignment', node: 'edge-1', nodeKey: publicKeyDigest(publicPem) },
  ...{ order: { epoch: 1, number: 7 }, release, repository: 'gateway', rollout: 'edge-1' },
  ...{ issuedAt: now, beginUntil: now + 3_600_000 },
}
export const assignmentEnvelope = signEnvelope(mediaType.assignment, canonicalJson(assignment), [key])

function judgeOrder(envelope: unknown): void {
  const parsed = envelopeSchema.safeParse(envelope)
  if (!parsed.success) throw new RefusedByFindings()
  const verdict = judgeAssignment({
    ...{ envelope: parsed.data, trust, parse: parseAssignment, last: { epoch: 1, number: 6 }, now },
    node: { name: 'edge-1', keyDigest: publicKeyDigest(publicPem) },
  })
  if (verdict.is === 'refused') {
    promise(verdict.reason.message.length < 16_384, 'a reason that grows with what was refused')
    throw new RefusedByFindings()
  }
  promise(verdict.assignment.node === 'edge-1', 'an order for another node')
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes))
  } catch {
    throw new RefusedByFindings()
  }
}

const header = { alg: 'EdDSA', typ: 'ashlar-node+jwt' }
const claims = {
  ...{ htm: 'GET', htu: '/v1/agent/assignment', sub: 'edge-1', aud: 'ashlar-loopback', jti: 'once' },
  ...{ iat: now / 1_000, exp: now / 1_000 + 60 },
}

/** A credential that a node with that key could make: header and claims are what it likes. */
function credentialOf([head, body]: readonly [unknown, unknown]): string {
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')
  const signed = `${base64(head)}.${base64(body)}`
  return `${signed}.${cryptoSign(null, Buffer.from(signed), privateKey).toString('base64url')}`
}

async function judgeCredential(token: string): Promise<void> {
  const scope = { method: 'GET', path: '/v1/agent/assignment', audience: 'ashlar-loopback', now }
  const verdict = await judgeNodeCredential(token, (node) => (node === 'edge-1' ? publicPem : undefined), {
    ...scope,
    seen: createReplayMemory(),
  })
  if (verdict.is === 'refused') throw new RefusedByFindings()
  promise(verdict.node === 'edge-1', 'another node')
}

const token = `ashlar_enrolment_${'A'.repeat(43)}`
const enrolment = { node: 'edge-1', secret: token, server: 'https://10.0.0.1:7443', fingerprint: release }
const prefix = 'ashlar_enrol_'

function readEnrolment(text: string): void {
  promise(printEnrolment(parseEnrolment(text)) === text, 'accepts what is not canonical')
}

export const proofTargets: readonly FuzzTarget[] = [
  {
    name: 'bundle',
    form: 'json',
    seeds: [bundleOf(Buffer.from(signature))],
    words: [mediaType.bundle, 'dsseEnvelope', '===='],
    refuses: [RefusedByFindings],
    read: judgeBundle,
  },
  {
    name: 'signed-statement',
    form: 'json',
    seeds: [signature, canonicalJson(statement)],
    words: [predicateType.signature, predicateType.provenance],
    refuses: [RefusedByFindings],
    read: (bytes) => judgeBundle(Buffer.from(bundleOf(bytes))),
  },
  {
    name: 'envelope',
    form: 'json',
    seeds: [canonicalJson(assignmentEnvelope)],
    words: [mediaType.assignment, '='],
    refuses: [RefusedByFindings],
    read: (bytes) => judgeOrder(jsonOf(bytes)),
  },
  {
    name: 'signed-assignment',
    form: 'json',
    seeds: [canonicalJson(assignment)],
    words: ['edge-2', digest],
    refuses: [RefusedByFindings],
    read: (bytes) => judgeOrder(signEnvelope(mediaType.assignment, bytes, [key])),
  },
  {
    name: 'public-key',
    form: 'text',
    seeds: [publicPem],
    words: ['-----BEGIN PRIVATE KEY-----', '-----BEGIN PUBLIC KEY-----\n', '=='],
    refuses: [VerifyKeyError],
    read: (bytes) => readPublicKey(textOf(bytes)).verifies(bytes, bytes),
  },
  {
    name: 'node-key',
    form: 'text',
    seeds: [publicPem],
    refuses: [IdentityError],
    read: (bytes) => publicKeyDigest(textOf(bytes)),
  },
  {
    name: 'certificate',
    form: 'text',
    seeds: [createAuthority({ now }).certificate],
    refuses: [IdentityError],
    read: (bytes) => certificateFingerprint(textOf(bytes)),
  },
  {
    name: 'node-credential',
    form: 'text',
    seeds: [credentialOf([header, claims])],
    words: ['.', '..', 'eyJhbGciOiJub25lIn0'],
    refuses: [RefusedByFindings],
    read: (bytes) => judgeCredential(textOf(bytes)),
  },
  {
    name: 'signed-credential',
    form: 'json',
    seeds: [JSON.stringify([header, claims])],
    words: ['none', 'HS256', 'crit', 'b64', 'zip', 'jwk', 'edge-1'],
    refuses: [RefusedByFindings],
    async read(bytes) {
      const parts = jsonOf(bytes)
      if (!Array.isArray(parts)) throw new RefusedByFindings()
      await judgeCredential(credentialOf([parts[0], parts[1]]))
    },
  },
  {
    name: 'enrolment',
    form: 'text',
    seeds: [printEnrolment(enrolment)],
    words: [prefix],
    refuses: [IdentityError],
    read: (bytes) => readEnrolment(textOf(bytes)),
  },
  {
    name: 'enrolment-content',
    form: 'json',
    seeds: [
      canonicalJson(enrolment),
      canonicalJson({ node: 'n', secret: token, server: 'http://127.0.0.1:7443' }),
    ],
    words: ['http://', 'localhost', '[::1]', '@', ':0', token],
    refuses: [IdentityError],
    read: (bytes) => readEnrolment(prefix + Buffer.from(bytes).toString('base64url')),
  },
  {
    name: 'token',
    form: 'text',
    seeds: [token, `ashlar_admin_${'A'.repeat(43)}`],
    refuses: [RefusedByFindings],
    read(bytes) {
      if (parseToken(textOf(bytes)) === undefined) throw new RefusedByFindings()
      promise(/^ashlar_(admin|operator|enrolment)_[\w-]{43}$/.test(textOf(bytes)), 'a token that is none')
    },
  },
]
