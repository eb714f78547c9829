import {
  type AssignmentAnswer,
  apiVersionField,
  apiVersions,
  assignmentAnswerSchema,
  credentialAudience,
  type NodeStatus,
  type Order,
  printApiVersions,
  problemSchema,
} from '../api/index.ts'
import { jsonOf, readTolerantly } from '../core/index.ts'
import { certificateFingerprint, nodeCredential } from '../identity/index.ts'
import { collect, openRemoteRepository, type Repository } from '../oci/index.ts'
import type { HttpRequest, HttpResponse, Sys } from '../sys/index.ts'
import type { NodeIdentity } from './enrol.ts'
import { AgentError } from './errors.ts'
import { answerBytesMax, pollGraceMs } from './limits.ts'

/** The node's way to its server. Every request carries a credential made for it alone. */
export interface ServerLink {
  /** Waits up to `waitSeconds` for an order above this one. */
  assignment(above: Order, waitSeconds: number): Promise<AssignmentAnswer | undefined>
  report(status: NodeStatus): Promise<void>
  repository(name: string): Repository
}

export function openServerLink(sys: Sys, identity: NodeIdentity): ServerLink {
  const { server, ca, node, privateKey } = identity
  const audience = credentialAudience(ca === undefined ? undefined : certificateFingerprint(ca))
  const credential = async ({ method, path }: { readonly method: string; readonly path: string }) => {
    const claim = { node, privateKey, method, path, audience, now: sys.clock.now() }
    return `Bearer ${await nodeCredential(claim)}`
  }
  const reach = async (request: HttpRequest) => {
    try {
      return await sys.net.request(request)
    } catch (error) {
      throw asClockFault(sys, error)
    }
  }
  const send = async (
    method: 'GET' | 'PUT',
    path: string,
    body?: string,
    waitMs = 0,
  ): Promise<HttpResponse> =>
    reach({
      method,
      url: `${server}${path}`,
      headers: {
        authorization: await credential({ method, path }),
        [apiVersionField]: printApiVersions(apiVersions),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      idleTimeoutMs: waitMs + pollGraceMs,
      ...(body !== undefined && { body }),
      ...(ca !== undefined && { ca }),
    })
  return {
    async assignment(above, waitSeconds) {
      const query = `epoch=${above.epoch}&number=${above.number}&waitSeconds=${waitSeconds}`
      const response = await send('GET', `/v1/agent/assignment?${query}`, undefined, waitSeconds * 1_000)
      const text = await textOf(response)
      if (response.status === 204) return undefined
      if (response.status !== 200) throw refused(response.status, text)
      const answer = readTolerantly(assignmentAnswerSchema, jsonOf(text))
      if (answer.success) return answer.data
      throw new AgentError('server-refused', 'the server gave an assignment that cannot be read')
    },
    async report(status) {
      const response = await send('PUT', '/v1/agent/status', JSON.stringify(status))
      const text = await textOf(response)
      if (response.status > 299) throw refused(response.status, text)
    },
    repository: (name) =>
      openRemoteRepository(sys, { url: server, name, credential, ...(ca !== undefined && { ca }) }),
  }
}

const setClock = 'set the clock of the node, or of the server: timedatectl set-ntp true'

/** A certificate that is not valid yet, or no more, most likely is: by a clock that is far off. */
export function asClockFault(sys: Sys, error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code !== 'CERT_NOT_YET_VALID' && code !== 'CERT_HAS_EXPIRED') return error
  const now = new Date(sys.clock.now()).toISOString()
  const message = `at ${now}, which this node's clock says, the certificate of the server is not valid`
  return new AgentError('clock-far-off', message, { cause: error, hint: setClock })
}

async function textOf(response: HttpResponse): Promise<string> {
  return Buffer.from(await collect(response.body, answerBytesMax)).toString('utf8')
}

/** What the server said against a request, as an error with its code and hint. */
export function refused(status: number, text: string): AgentError {
  const problem = readTolerantly(problemSchema, jsonOf(text))
  if (problem.success && problem.data.error.code === 'credential-expired')
    return new AgentError('clock-far-off', problem.data.error.message, { hint: setClock })
  const why = problem.success
    ? `${problem.data.error.code}: ${problem.data.error.message}`
    : `status ${status}`
  return new AgentError('server-refused', `the server refused: ${why}`, {
    hint: problem.success ? problem.data.error.hint : undefined,
  })
}
