import { z } from 'zod'
import { enrolAnswerSchema } from '../api/index.ts'
import { jsonOf, readTolerantly } from '../core/index.ts'
import { certificateFingerprint, createNodeKey, type Enrolment, parseEnrolment } from '../identity/index.ts'
import { collect } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { AgentError } from './errors.ts'
import { readText } from './files.ts'
import { answerBytesMax, pollGraceMs } from './limits.ts'
import type { NodePaths } from './node-files.ts'
import { asClockFault, refused } from './server-link.ts'
import type { NodeMemory } from './state.ts'

/** Who this node is, and which server it belongs to. Made once, at enrolment. */
const identitySchema = z.strictObject({
  node: z.string(),
  server: z.url(),
  /** PEM of the server's authority; absent where the server is on loopback without TLS. */
  ca: z.string().optional(),
  /** PEM, PKCS#8. Secret. */
  privateKey: z.string(),
  publicKey: z.string(),
  enrolled: z.boolean(),
})
export type NodeIdentity = z.infer<typeof identitySchema>

const file = 'identity.json'

/** The node's identity; enrols first where it has none and was given a token. Undefined: it belongs to no server. */
export async function nodeIdentity(
  sys: Sys,
  paths: NodePaths,
  memory: NodeMemory,
): Promise<NodeIdentity | undefined> {
  const known = readTolerantly(identitySchema, jsonOf((await memory.secret(file)) ?? ''))
  if (known.success && known.data.enrolled) return known.data
  const text = await readText(sys, `${paths.credentials}/ashlar.enrolment`)
  if (text === undefined) return undefined
  const enrolment = parseEnrolment(text.trim())
  // The key is kept before the server hears of it: a crash in between must not cost the one-time token.
  const key = known.success ? known.data : createNodeKey()
  const identity: NodeIdentity = {
    node: enrolment.node,
    server: enrolment.server,
    ca: await pinAuthority(sys, enrolment),
    privateKey: key.privateKey,
    publicKey: key.publicKey,
    enrolled: false,
  }
  await memory.keepSecret(file, JSON.stringify(identity))
  await enrol(sys, identity, enrolment.secret)
  const enrolled = { ...identity, enrolled: true }
  await memory.keepSecret(file, JSON.stringify(enrolled))
  return enrolled
}

async function enrol(sys: Sys, { server, ca, node, publicKey }: NodeIdentity, secret: string): Promise<void> {
  const request = {
    method: 'POST',
    url: `${server}/v1/enrol`,
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ publicKey }),
    idleTimeoutMs: pollGraceMs,
    ...(ca !== undefined && { ca }),
  }
  const response = await sys.net.request(request).catch((error: unknown) => {
    throw asClockFault(sys, error)
  })
  const text = Buffer.from(await collect(response.body, answerBytesMax)).toString('utf8')
  if (response.status > 299) throw refused(response.status, text)
  const answer = readTolerantly(enrolAnswerSchema, jsonOf(text))
  if (!answer.success || answer.data.node !== node)
    throw new AgentError('server-refused', 'the server enrolled this node as somebody else', {
      where: server,
    })
}

/**
 * The certificate of the server's authority: of all that the server shows, the one with the fingerprint that the
 * enrolment token names. From then on it alone is trusted, and TLS checks the server's own certificate against it.
 */
async function pinAuthority(sys: Sys, { server, fingerprint }: Enrolment): Promise<string | undefined> {
  if (fingerprint === undefined) return undefined
  const url = new URL(server)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const chain = await sys.net.peerCertificates(host, Number(url.port || 443), pollGraceMs)
  const authority = chain.find((pem) => certificateFingerprint(pem) === fingerprint)
  if (authority !== undefined) return authority
  throw new AgentError(
    'ca-mismatch',
    'the server does not show the authority that the enrolment token names',
    {
      where: server,
      hint: 'is another machine answering at this address? Make a new token with ashlar token, on the right server',
    },
  )
}
