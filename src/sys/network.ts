import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Agent as TlsAgent, Server as TlsServer } from 'node:https'
import { connect as connectSocket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls'
import { SysError } from './errors.ts'
import type { HttpRequest, HttpResponse, Listener, ListenOptions, Net } from './sys.ts'

// An import of node:http reads every export of it, WebSocket among them, and with that the whole of fetch: 10 MB and a
// third of the time that a command takes to start, for what nobody here uses.
const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

const idleTimeoutMsDefault = 30_000
/** Of a body that wait on either side while the last piece is worked on: with Node's 64 KiB, half the time of a large one is waiting. */
const bodyBytes = 1024 * 1024
const closeGraceMsDefault = 5_000
/** A client that sends its head slower than this is cut (Node's own default is 60 s). */
const headersTimeoutMs = 20_000
/** A connection on which a request is under way and no byte moves is cut. Twice the longest wait for an answer (60 s). */
const connectionIdleMsDefault = 120_000

export const realNet: Net = { request, peerCertificates, connect, listen }

const agents = new Map<string, TlsAgent>()
const plainAgent = new http.Agent({ keepAlive: true })

function request(options: HttpRequest): Promise<HttpResponse> {
  const url = new URL(options.url)
  const secure = url.protocol === 'https:'
  const idleTimeoutMs = options.idleTimeoutMs ?? idleTimeoutMsDefault
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        options.signal?.aborted
          ? options.signal.reason
          : cause instanceof SysError
            ? cause
            : new SysError('connection-failed', `${options.method} ${url.origin} failed: ${wordsOf(cause)}`, {
                cause,
                where: url.origin,
              }),
      )
    const outgoing = (secure ? https : http).request(
      url,
      {
        method: options.method,
        headers: options.headers ?? {},
        agent: secure ? tlsAgent(options.ca) : plainAgent,
        ...(options.signal !== undefined && { signal: options.signal }),
      },
      (incoming) => {
        // Refused before all was sent: the rest would be sent in vain, and the connection waits for it.
        if ((incoming.statusCode ?? 0) >= 400)
          incoming.once('end', () => {
            if (!outgoing.writableFinished) outgoing.destroy()
          })
        resolve({ status: incoming.statusCode ?? 0, headers: joined(incoming.headers), body: incoming })
      },
    )
    outgoing.setTimeout(idleTimeoutMs, () =>
      outgoing.destroy(
        new SysError('timed-out', `${url.origin} was silent for ${idleTimeoutMs} ms`, { where: url.origin }),
      ),
    )
    outgoing.once('error', fail)
    const { body } = options
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
    else pipeline(Readable.from(body, { objectMode: false, highWaterMark: bodyBytes }), outgoing).catch(fail)
  })
}

function tlsAgent(ca: string | undefined): TlsAgent {
  const key = ca ?? ''
  const known = agents.get(key)
  if (known !== undefined) return known
  const agent = new https.Agent({ keepAlive: true, ...(ca !== undefined && { ca }) })
  agents.set(key, agent)
  return agent
}

function joined(headers: IncomingHttpHeaders): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ])
  return Object.fromEntries(entries) as Record<string, string>
}

function peerCertificates(host: string, port: number, timeoutMs: number): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    // Not checked on purpose: the caller pins a fingerprint that it was given by another way.
    const socket = connectTls({ host, port, rejectUnauthorized: false, timeout: timeoutMs })
    socket.once('secureConnect', () => {
      const chain: string[] = []
      let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
      while (certificate?.raw !== undefined) {
        const pem = pemOf(certificate.raw)
        if (chain.includes(pem)) break
        chain.push(pem)
        certificate = certificate.issuerCertificate
      }
      socket.destroy()
      resolve(chain)
    })
    socket.once('timeout', () =>
      socket.destroy(new SysError('timed-out', `${host}:${port} did not answer within ${timeoutMs} ms`)),
    )
    socket.once('error', (cause) =>
      reject(
        cause instanceof SysError
          ? cause
          : new SysError('connection-failed', `no TLS with ${host}:${port}: ${tlsFault(cause)}`, {
              cause,
              where: `${host}:${port}`,
              hint: `see what answers there: openssl s_client -connect ${host}:${port}`,
            }),
      ),
    )
  })
}

/** Of a name with several addresses Node says nothing itself, only what became of each. */
export function wordsOf(cause: Error): string {
  if (!(cause instanceof AggregateError) || cause.message !== '') return cause.message
  return cause.errors.map((one) => (one instanceof Error ? one.message : String(one))).join('; ')
}

/** OpenSSL's own words for an answer in another protocol name its source files. */
function tlsFault(cause: NodeJS.ErrnoException): string {
  return cause.code === 'ERR_SSL_WRONG_VERSION_NUMBER' ? 'what answers there is no TLS' : cause.message.trim()
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function connect(host: string, port: number, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, timeout: timeoutMs })
    const end = (error?: SysError) => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    socket.once('connect', () => end())
    socket.once('timeout', () =>
      end(new SysError('timed-out', `${host}:${port} did not answer within ${timeoutMs} ms`)),
    )
    socket.once('error', (cause) =>
      end(
        new SysError('connection-failed', `cannot connect to ${host}:${port}: ${wordsOf(cause)}`, { cause }),
      ),
    )
  })
}

function listen(
  options: ListenOptions,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listener> {
  const server =
    options.tls === undefined
      ? http.createServer({ highWaterMark: bodyBytes }, handler)
      : https.createServer({ ...options.tls, minVersion: 'TLSv1.3', highWaterMark: bodyBytes }, handler)
  server.headersTimeout = headersTimeoutMs
  // Uploads of whole images take as long as they take, as long as bytes arrive.
  server.requestTimeout = 0
  server.timeout = options.idleTimeoutMs ?? connectionIdleMsDefault
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(options, cause)))
    server.listen(options.port, options.host, () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : options.port
      resolve({ host: options.host, port, close: (graceMs) => close(server, graceMs ?? closeGraceMsDefault) })
    })
  })
}

function listenError(options: ListenOptions, cause: NodeJS.ErrnoException): SysError {
  const where = `${options.host}:${options.port}`
  if (cause.code === 'EADDRINUSE')
    return new SysError('address-in-use', `another program listens on ${where}`, {
      cause,
      where,
      hint: `find it with ss -ltnp 'sport = :${options.port}', or choose another address with --listen`,
    })
  return new SysError('address-unavailable', `cannot listen on ${where}: ${listenFault(cause)}`, {
    cause,
    where,
    hint: 'list the addresses of this host with: ip -brief address; then choose one of them with --listen',
  })
}

function listenFault({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRNOTAVAIL') return 'this host has no such address'
  return code === 'EACCES' ? 'ports this low are for root alone' : message
}

function close(server: Server | TlsServer, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}
