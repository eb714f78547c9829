import type { z } from 'zod'
import { AshlarError, type ErrorDetail, readTolerantly } from '../core/index.ts'
import type { HttpResponse, Net } from '../sys/index.ts'
import {
  type AssignmentAnswer,
  assignmentAnswerSchema,
  type EnrolAnswer,
  enrolAnswerSchema,
  type LogEntry,
  listAnswerSchema,
  logEntrySchema,
  problemSchema,
  type RolloutRequest,
  type TokenAnswer,
  type TokenRequest,
  tokenAnswerSchema,
  type WhyAnswer,
  whyAnswerSchema,
} from './requests.ts'
import {
  type Kind,
  kindPaths,
  type NodeStatus,
  type Order,
  type Resource,
  type ResourceOf,
  type Rollout,
  resourceSchemas,
} from './resources.ts'
import {
  apiVersionField,
  apiVersions,
  olderOf,
  parseApiVersions,
  printApiVersions,
  tooOld,
} from './version.ts'

/** Bytes of an answer: a list of ten thousand nodes has about 30 MiB. */
const answerBytesMax = 256 * 1024 * 1024
/** Seconds that a request for changes waits at the server before it is asked again. */
const watchSeconds = 60
/** Milliseconds that a server may be silent, beside the time that it was asked to wait. */
const silenceMs = 30_000

/** `code` is the server's, or `server-unreachable`, `server-too-old`, `client-too-old`, `answer-malformed`, `answer-too-large`. */
export class ApiError extends AshlarError {
  /** HTTP status; absent where there was no answer. */
  readonly status: number | undefined

  constructor(code: string, message: string, detail: ErrorDetail & { readonly status?: number } = {}) {
    super(code, message, detail)
    this.status = detail.status
  }
}

export interface ClientParts {
  readonly net: Net
  /** Origin of the server: `https://10.0.0.1:7443`. */
  readonly url: string
  /** The value of `Authorization` for one request. `path` is the target as it is sent, query included. */
  readonly credential: (method: string, path: string) => string | Promise<string>
  /** PEM of the server's authority. */
  readonly ca?: string
}

/** The server's API, as people's commands and agents use it. Every call may throw {@link ApiError}. */
export interface Client {
  list<K extends Kind>(kind: K): Promise<readonly ResourceOf<K>[]>
  get<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K>>
  /** Writes a fleet, or a node's labels. With `metadata.version` only if that is still the current one. */
  apply<R extends Resource>(resource: R): Promise<R>
  remove(kind: Kind, name: string, version?: number): Promise<void>
  /** The resource as it is, and again each time it changes. Ends when `signal` aborts, or by the error `resource-unknown`. */
  watch<K extends Kind>(kind: K, name: string, signal?: AbortSignal): AsyncIterable<ResourceOf<K>>
  startRollout(request: RolloutRequest): Promise<Rollout>
  /** Ends a running rollout: what it changed is taken back. */
  haltRollout(name: string): Promise<Rollout>
  createToken(request: TokenRequest): Promise<TokenAnswer>
  why(node: string): Promise<WhyAnswer>
  /** Log rows after the sequence `after`, oldest first, up to a limit of the server's. */
  log(after?: number, limit?: number): Promise<readonly LogEntry[]>
  /** With the enrolment token as the credential. */
  enrol(publicKey: string): Promise<EnrolAnswer>
  /** An order newer than `order`, as soon as there is one; undefined when none came in that time. */
  nextAssignment(
    order: Order,
    waitSeconds: number,
    signal?: AbortSignal,
  ): Promise<AssignmentAnswer | undefined>
  reportStatus(status: NodeStatus): Promise<void>
}

export function createClient(parts: ClientParts): Client {
  const call = caller(parts)
  const client: Client = {
    async list(kind) {
      const schema = listAnswerSchema(schemaOf(kind))
      return (await call('GET', `/v1/${kindPaths[kind]}`, { schema })).items
    },
    get: (kind, name) => call('GET', pathOf(kind, name), { schema: schemaOf(kind) }),
    async apply(resource) {
      const path = pathOf(resource.kind, resource.metadata.name)
      const stored = await call('PUT', path, { body: resource, schema: schemaOf(resource.kind) })
      return stored as typeof resource
    },
    async remove(kind, name, version) {
      const query = version === undefined ? '' : `?version=${version}`
      await call('DELETE', pathOf(kind, name) + query, {})
    },
    watch: (kind, name, signal) => watch(call, kind, name, signal),
    startRollout: (body) => call('POST', '/v1/rollouts', { body, schema: resourceSchemas.Rollout }),
    haltRollout: (name) =>
      call('POST', `${pathOf('Rollout', name)}/halt`, { body: {}, schema: resourceSchemas.Rollout }),
    createToken: (body) => call('POST', '/v1/tokens', { body, schema: tokenAnswerSchema }),
    why: (node) => call('GET', `${pathOf('Node', node)}/why`, { schema: whyAnswerSchema }),
    async log(after = 0, limit = 1_000) {
      const schema = listAnswerSchema(logEntrySchema)
      return (await call('GET', `/v1/log?after=${after}&limit=${limit}`, { schema })).items
    },
    enrol: (publicKey) => call('POST', '/v1/enrol', { body: { publicKey }, schema: enrolAnswerSchema }),
    nextAssignment({ epoch, number }, waitSeconds, signal) {
      const path = `/v1/agent/assignment?epoch=${epoch}&number=${number}&waitSeconds=${waitSeconds}`
      return call('GET', path, { schema: assignmentAnswerSchema.optional(), waitSeconds, signal })
    },
    async reportStatus(body) {
      await call('PUT', '/v1/agent/status', { body })
    },
  }
  return client
}

interface CallOptions<Schema extends z.ZodType> {
  readonly body?: unknown
  /** Of the answer; a schema that takes undefined takes 204. */
  readonly schema?: Schema
  readonly waitSeconds?: number
  readonly signal?: AbortSignal | undefined
}

type Call = <Schema extends z.ZodType = z.ZodUndefined>(
  method: string,
  path: string,
  options: CallOptions<Schema>,
) => Promise<z.output<Schema>>

function caller({ net, url, credential, ca }: ClientParts): Call {
  return async (method, path, { body, schema, waitSeconds = 0, signal }) => {
    const headers = {
      authorization: await credential(method, path),
      [apiVersionField]: printApiVersions(apiVersions),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const { status, text, speaks } = await reached(url, signal, async () => {
      const response = await net.request({
        method,
        url: url + path,
        headers,
        idleTimeoutMs: waitSeconds * 1_000 + silenceMs,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(ca !== undefined && { ca }),
        ...(signal !== undefined && { signal }),
      })
      const { status, headers: fields } = response
      return { status, text: await textOf(response), speaks: fields[apiVersionField] }
    })
    const older = olderOf(apiVersions, parseApiVersions(speaks))
    if (older !== undefined)
      throw new ApiError(older, tooOld[older].message, { where: url, hint: tooOld[older].hint })
    if (status >= 400) throw problemOf(text, status, url)
    const value = text === '' ? undefined : parsed(text, url)
    if (schema === undefined) return undefined as z.output<NonNullable<typeof schema>>
    const result = readTolerantly(schema, value)
    if (result.success) return result.data
    throw malformed(url, result.error)
  }
}

async function* watch<K extends Kind>(
  call: Call,
  kind: K,
  name: string,
  signal?: AbortSignal,
): AsyncIterable<ResourceOf<K>> {
  let after = 0
  while (!signal?.aborted) {
    const path = `${pathOf(kind, name)}?after=${after}&waitSeconds=${watchSeconds}`
    const options = { schema: schemaOf(kind).optional(), waitSeconds: watchSeconds, signal }
    const resource = await call('GET', path, options).catch((error: unknown) => {
      if (signal?.aborted) return undefined
      throw error
    })
    if (resource === undefined) continue
    after = resource.metadata.version ?? after
    yield resource
  }
}

async function reached<Result>(
  url: string,
  signal: AbortSignal | undefined,
  send: () => Promise<Result>,
): Promise<Result> {
  try {
    return await send()
  } catch (error) {
    if (signal?.aborted || error instanceof ApiError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new ApiError('server-unreachable', `the server did not answer: ${why}`, {
      where: url,
      cause: error,
      hint: 'is it running, and is this its address? Start one with: ashlar serve',
    })
  }
}

async function textOf(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body) {
    sizeBytes += chunk.length
    if (sizeBytes > answerBytesMax)
      throw new ApiError('answer-too-large', `the server's answer has more than ${answerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function problemOf(text: string, status: number, url: string): ApiError {
  const problem = readTolerantly(problemSchema, parsed(text, url))
  if (!problem.success)
    return new ApiError('answer-malformed', `the server answered ${status}, and not in our form`, {
      status,
      where: url,
    })
  const { code, message, hint, where } = problem.data.error
  return new ApiError(code, message, { status, hint, where: where ?? url })
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw malformed(url, cause)
  }
}

function malformed(url: string, cause: unknown): ApiError {
  return new ApiError('answer-malformed', 'the answer cannot be read: is this an Ashlar server?', {
    where: url,
    cause,
  })
}

function pathOf(kind: Kind, name: string): string {
  return `/v1/${kindPaths[kind]}/${encodeURIComponent(name)}`
}

/** The table's type is the union of its schemas; each kind's own is what is behind its name. */
function schemaOf<K extends Kind>(kind: K): z.ZodType<ResourceOf<K>> {
  return resourceSchemas[kind] as unknown as z.ZodType<ResourceOf<K>>
}
