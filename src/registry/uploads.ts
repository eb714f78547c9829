import type { IncomingMessage } from 'node:http'
import { AshlarError, type Digest, isDigest, isRepository } from '../core/index.ts'
import type { IncomingBlob } from '../oci/index.ts'
import { RegistryError } from './errors.ts'
import { answer, bodyOf, digestParameter, type Exchange, requireRight } from './exchange.ts'
import { blobBytesMax, uploadIdleMs, uploadsMax } from './limits.ts'

interface Upload {
  readonly repository: string
  readonly actor: string
  readonly blob: IncomingBlob
  touchedAtMs: number
  /** A request is writing to it. */
  busy: boolean
}

/** Blobs on their way in. They live as long as the process: after a restart a client begins its blob again. */
export type Uploads = Map<string, Upload>

/** distribution-spec, "Pushing blobs": begins an upload, takes a blob whole, or takes it over from another repository. */
export async function beginUpload(exchange: Exchange, uploads: Uploads, repository: string): Promise<void> {
  if (exchange.request.method !== 'POST') throw methodNotAllowed('POST')
  requireRight(exchange, 'push', repository)
  if (await mount(exchange, repository)) return
  const digest = exchange.query.get('digest')
  const expected = digest === null ? undefined : digestParameter(digest)
  const upload = await openUpload(exchange, uploads, repository)
  if (expected === undefined) return answer(exchange, 202, progressHeaders(repository, upload.blob.id, 0))
  await finishUpload(exchange, uploads, upload, expected)
}

/** distribution-spec, "Pushing a blob in chunks". */
export async function continueUpload(
  exchange: Exchange,
  uploads: Uploads,
  repository: string,
  id: string,
): Promise<void> {
  requireRight(exchange, 'push', repository)
  const upload = uploads.get(id)
  if (upload === undefined || upload.repository !== repository || upload.actor !== exchange.principal.actor)
    throw new RegistryError('upload-unknown', 'there is no such upload; begin the blob again')
  const { blob } = upload
  switch (exchange.request.method) {
    case 'GET':
      return answer(exchange, 204, progressHeaders(repository, id, blob.sizeBytes))
    case 'PATCH':
      await whileBusy(exchange, upload, () => receive(exchange, uploads, upload))
      return answer(exchange, 202, progressHeaders(repository, id, blob.sizeBytes))
    case 'PUT':
      return finishUpload(exchange, uploads, upload, digestParameter(exchange.query.get('digest')))
    case 'DELETE':
      if (upload.busy) throw busy()
      uploads.delete(id)
      await blob.discard()
      return answer(exchange, 204)
    default:
      throw methodNotAllowed('GET, PATCH, PUT, DELETE')
  }
}

/** distribution-spec, "Mounting a blob from another repository": only for one who may read it there. */
async function mount(exchange: Exchange, repository: string): Promise<boolean> {
  const { query, principal, parts } = exchange
  const digest = query.get('mount') ?? ''
  const from = query.get('from') ?? ''
  if (!isDigest(digest) || !isRepository(from) || !principal.may('pull', from)) return false
  const member = await parts.index.blob(from, digest)
  if (member === undefined) return false
  await parts.index.addBlob(repository, digest, member.sizeBytes)
  answer(exchange, 201, createdHeaders(repository, digest))
  return true
}

async function openUpload(exchange: Exchange, uploads: Uploads, repository: string): Promise<Upload> {
  const { parts, principal } = exchange
  await dropIdle(uploads, parts.clock.now())
  if (uploads.size >= uploadsMax)
    throw new RegistryError('too-many-uploads', `${uploadsMax} uploads are open already`, {
      headers: { 'retry-after': '5' },
    })
  const blob = await parts.store.blobs.begin()
  const { actor } = principal
  const upload = { repository, actor, blob, touchedAtMs: parts.clock.now(), busy: false }
  uploads.set(blob.id, upload)
  return upload
}

async function dropIdle(uploads: Uploads, now: number): Promise<void> {
  for (const [id, upload] of uploads)
    if (!upload.busy && now - upload.touchedAtMs > uploadIdleMs) {
      uploads.delete(id)
      await upload.blob.discard()
    }
}

async function finishUpload(
  exchange: Exchange,
  uploads: Uploads,
  upload: Upload,
  digest: Digest,
): Promise<void> {
  const { repository, blob } = upload
  const { sizeBytes } = await whileBusy(exchange, upload, async () => {
    await receive(exchange, uploads, upload)
    // From here on the upload is over, well or not: a digest that does not fit drops what was received.
    uploads.delete(blob.id)
    return blob.commit({ digest })
  })
  await exchange.parts.index.addBlob(repository, digest, sizeBytes)
  answer(exchange, 201, createdHeaders(repository, digest))
}

/** One request at a time writes to an upload. */
async function whileBusy<T>(exchange: Exchange, upload: Upload, work: () => Promise<T>): Promise<T> {
  if (upload.busy) throw busy()
  upload.busy = true
  try {
    return await work()
  } finally {
    upload.busy = false
    upload.touchedAtMs = exchange.parts.clock.now()
  }
}

/**
 * Takes a request's body. What arrived before the client was cut off stays: it asks how far it came, and goes on. A
 * disk that it filled is given back what it took: the database is on it, too.
 */
async function receive(exchange: Exchange, uploads: Uploads, upload: Upload): Promise<void> {
  expectRange(exchange.request, upload)
  const { blob } = upload
  // What says that it is too large is refused before the disk is filled with it.
  if (Number(exchange.request.headers['content-length'] ?? 0) > blobBytesMax - blob.sizeBytes)
    throw tooLarge()
  try {
    await blob.append(bounded(bodyOf(exchange.request), blobBytesMax - blob.sizeBytes))
  } catch (error) {
    if (error instanceof AshlarError && error.code === 'disk-full') {
      uploads.delete(blob.id)
      await blob.discard()
    }
    throw error
  }
}

/** A chunk must begin where the last one ended, and be as long as it says. */
function expectRange(request: IncomingMessage, upload: Upload): void {
  const header = request.headers['content-range']
  if (header === undefined) return
  const [, from, to] = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/.*)?$/.exec(header) ?? []
  const length = request.headers['content-length']
  const agrees = length === undefined || Number(length) === Number(to) - Number(from) + 1
  if (Number(from) === upload.blob.sizeBytes && agrees) return
  throw new RegistryError('range-invalid', `the next chunk begins at byte ${upload.blob.sizeBytes}`, {
    headers: progressHeaders(upload.repository, upload.blob.id, upload.blob.sizeBytes),
  })
}

async function* bounded(content: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let left = bytesMax
  for await (const chunk of content) {
    left -= chunk.length
    if (left < 0) throw tooLarge()
    yield chunk
  }
}

function tooLarge(): RegistryError {
  return new RegistryError('size-invalid', `a blob has at most ${blobBytesMax} bytes`)
}

function progressHeaders(repository: string, id: string, sizeBytes: number): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, sizeBytes - 1)}`,
    'docker-upload-uuid': id,
  }
}

function createdHeaders(repository: string, digest: Digest): Record<string, string> {
  return { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest }
}

function busy(): RegistryError {
  return new RegistryError('upload-busy', 'another request is writing to this upload')
}

function methodNotAllowed(allow: string): RegistryError {
  return new RegistryError('method-not-allowed', `allowed here: ${allow}`, { headers: { allow } })
}
