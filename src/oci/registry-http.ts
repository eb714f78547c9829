import { AshlarError } from '../core/index.ts'
import type { HttpRequest, HttpResponse, Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import { errorBodyBytesMax, redirectsMax } from './limits.ts'
import { collect } from './streams.ts'

/** Where a registry is and how it is reached. */
export interface RemoteOptions {
  /** `https://host:port`, without a path. */
  readonly url: string
  /** Name of the repository there. */
  readonly name: string
  /** Value of the Authorization header; asked anew for each request, whose path comes with its query. */
  readonly credential?: (request: {
    readonly method: string
    readonly path: string
  }) => Promise<string> | string
  /** PEM certificates that are trusted in place of the system's. */
  readonly ca?: string
}

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  /** Path and query, or what a Location header said. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: HttpRequest['body']
}

/** Sends requests to one registry and turns what goes wrong into {@link OciError}. */
export interface RegistryHttp {
  readonly host: string
  /** `https://host:port` */
  readonly origin: string
  /** An answer with one of the `expected` statuses. @throws OciError `registry-unreachable`, `unauthorized`, `denied`, `tag-immutable`, `disk-full`, `registry-failed` */
  send(request: RegistryRequest, expected: readonly number[]): Promise<HttpResponse>
  /** Reads what is left of an answer, so that the connection can be used again. */
  finish(response: HttpResponse): Promise<void>
}

export function registryHttp(net: Sys['net'], options: RemoteOptions): RegistryHttp {
  const base = new URL(options.url)
  const send = async (
    request: RegistryRequest,
    expected: readonly number[],
    redirects = redirectsMax,
  ): Promise<HttpResponse> => {
    const url = placeFrom(base, request.target)
    // A storage host that a registry redirects to must not learn the credential.
    const scope = { method: request.method, path: `${url.pathname}${url.search}` }
    const credential = url.origin === base.origin ? await options.credential?.(scope) : undefined
    const response = await reach(net, url, {
      method: request.method,
      url: url.href,
      headers: { ...request.headers, ...(credential !== undefined && { authorization: credential }) },
      ...(request.body !== undefined && { body: request.body }),
      ...(options.ca !== undefined && url.origin === base.origin && { ca: options.ca }),
    })
    if (expected.includes(response.status)) return response
    const location = response.headers.location
    if (
      [301, 302, 303, 307, 308].includes(response.status) &&
      location !== undefined &&
      request.method === 'GET'
    ) {
      await finish(response)
      if (redirects === 0)
        throw new OciError('registry-failed', `${base.host} redirects without end`, { where: url.host })
      return send({ ...request, target: placeFrom(url, location).href }, expected, redirects - 1)
    }
    throw await refusal(response, request, url)
  }
  return { host: base.host, origin: base.origin, send, finish }
}

/** Where a registry sends its client on to. @throws OciError `registry-failed` */
export function placeFrom(from: URL, location: string): URL {
  const url = URL.parse(location, from.href)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new OciError('registry-failed', `${from.host} sends its client on to no place of the web`, {
    where: from.host,
  })
}

async function reach(net: Sys['net'], url: URL, request: HttpRequest): Promise<HttpResponse> {
  try {
    return await net.request(request)
  } catch (cause) {
    throw asUnreachable(cause, url.origin)
  }
}

/** What the network threw, as one error; what a caller's own stream threw stays itself. */
export function asUnreachable(cause: unknown, origin: string): unknown {
  if (cause instanceof AshlarError && cause.cause instanceof OciError) return cause.cause
  if (cause instanceof OciError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  const { host } = new URL(origin)
  return new OciError('registry-unreachable', `the registry ${host} cannot be reached: ${why}`, {
    where: host,
    cause,
    hint: `is it running, and is the address right? Try: curl -ki ${origin}/v2/ and run the command again; what has arrived stays`,
  })
}

async function finish(response: HttpResponse): Promise<void> {
  await collect(response.body, errorBodyBytesMax)
}

async function refusal(response: HttpResponse, request: RegistryRequest, url: URL): Promise<OciError> {
  const said = await readErrors(response)
  const where = `${request.method} ${url.host}${url.pathname}`
  const message = (text: string) => `${text}${said.message === '' ? '' : `: ${said.message}`}`
  const tagged = request.method === 'PUT' && /\/manifests\/[^/:]+$/.test(url.pathname)
  if (said.reason === 'tag-immutable' || said.code === 'TAG_IMMUTABLE' || (tagged && response.status === 409))
    return new OciError('tag-immutable', message('the registry keeps the tag as it is'), {
      where,
      hint: 'give the release a new version; a published tag always names the same content',
    })
  if (response.status === 401)
    return new OciError('unauthorized', message(`${url.host} does not accept the credential`), {
      where,
      hint: 'the token is wrong or has expired: get a new one from an operator',
    })
  if (response.status === 403)
    return new OciError('denied', message(`${url.host} does not allow it`), {
      where,
      hint: 'ask an operator of the registry for the right',
    })
  if (response.status === 507)
    return new OciError('disk-full', message(`the disk of ${url.host} is full`), {
      where,
      hint: 'have its operator make space, then run the command again: what has arrived stays',
    })
  if (response.status >= 500 || response.status === 429)
    return new OciError(
      'registry-unreachable',
      message(`${url.host} cannot answer now (${response.status})`),
      {
        where,
        hint: 'try again in a while; the log of the registry says more',
      },
    )
  return new OciError('registry-failed', message(`${url.host} answered with status ${response.status}`), {
    where,
    hint: 'see the log of the registry',
  })
}

/** distribution-spec, "Error Codes": the first of the errors; nothing where the body is something else. */
async function readErrors(
  response: HttpResponse,
): Promise<{ readonly code: string; readonly message: string; readonly reason: string }> {
  const none = { code: '', message: '', reason: '' }
  try {
    const body: unknown = JSON.parse(Buffer.from(await collect(response.body, errorBodyBytesMax)).toString())
    const errors = isRecord(body) && Array.isArray(body.errors) ? (body.errors as unknown[]) : []
    const first = errors[0]
    if (!isRecord(first)) return none
    const reason = isRecord(first.detail) ? text(first.detail.reason) : ''
    return { code: text(first.code), message: text(first.message), reason }
  } catch (cause) {
    return { ...none, message: cause instanceof SyntaxError ? '' : 'its answer could not be read' }
  }
}

/** What a registry says is shown on a terminal: bounded, and without control characters. */
function text(value: unknown): string {
  return typeof value === 'string' ? value.replace(/\p{Cc}/gu, ' ').slice(0, 500) : ''
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
