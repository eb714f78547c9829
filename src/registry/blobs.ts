import type { Digest } from '../core/index.ts'
import { RegistryError } from './errors.ts'
import { answer, answerStream, digestParameter, type Exchange, requireRight } from './exchange.ts'

/** distribution-spec, "Pulling blobs" and "Checking if content exists in the registry". */
export async function serveBlob(exchange: Exchange, repository: string, of: string): Promise<void> {
  const { request, parts } = exchange
  if (request.method !== 'GET' && request.method !== 'HEAD')
    // A blob is shared by manifests: it goes when none needs it any more, not by request.
    throw new RegistryError('method-not-allowed', 'blobs are removed with the manifests that need them', {
      headers: { allow: 'GET, HEAD' },
    })
  requireRight(exchange, 'pull', repository)
  const digest = digestParameter(of)
  const member = await parts.index.blob(repository, digest)
  const stat = member && (await parts.store.blobs.stat(digest))
  if (stat === undefined)
    throw new RegistryError('blob-unknown', `${repository} has no blob ${digest}`, { where: repository })
  await sendBlob(exchange, digest, stat.sizeBytes)
}

async function sendBlob(exchange: Exchange, digest: Digest, sizeBytes: number): Promise<void> {
  const { request, parts } = exchange
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
  }
  if (request.method === 'HEAD') return answer(exchange, 200, { ...headers, 'content-length': sizeBytes })
  const range = parseRange(request.headers.range, sizeBytes)
  if (range.is === 'unsatisfiable')
    throw new RegistryError('range-invalid', `the blob has ${sizeBytes} bytes`, {
      headers: { 'content-range': `bytes */${sizeBytes}` },
    })
  const { from, to } = range.is === 'whole' ? { from: 0, to: sizeBytes } : range
  const part = range.is === 'part' && { 'content-range': `bytes ${from}-${to - 1}/${sizeBytes}` }
  // Not hashed again on the way out: who asks by digest compares, and learns at once that a blob was damaged here.
  const content = parts.store.blobs.readFrom(digest, from, to)
  const status = range.is === 'part' ? 206 : 200
  await answerStream(exchange, status, { ...headers, ...part, 'content-length': to - from }, content)
}

export type Range =
  | { readonly is: 'whole' }
  | { readonly is: 'part'; readonly from: number; readonly to: number }
  | { readonly is: 'unsatisfiable' }

/**
 * RFC 9110, 14.1.2 and 14.2: one range of bytes; `to` is the first byte that is not sent. What is no such range, or
 * several at once, is passed over, as a server may.
 */
export function parseRange(header: string | undefined, sizeBytes: number): Range {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return { is: 'whole' }
  if (first === '') {
    const suffix = Math.min(Number(last), sizeBytes)
    return suffix === 0 ? { is: 'unsatisfiable' } : { is: 'part', from: sizeBytes - suffix, to: sizeBytes }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return { is: 'whole' }
  if (from >= sizeBytes) return { is: 'unsatisfiable' }
  return { is: 'part', from, to: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) }
}
