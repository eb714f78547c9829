import { Readable } from 'node:stream'
import type { Digest } from '../core/index.ts'
import type { HttpResponse, Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import { resumeDelayMs, resumeDelayMsMax, resumeProgressBytes, resumesMax } from './limits.ts'
import { asUnreachable, placeFrom, type RegistryHttp } from './registry-http.ts'
import { verifying } from './streams.ts'
import type { BlobReader, BlobWriter } from './types.ts'

/** Blobs of one repository behind distribution-spec's HTTP API. */
export function remoteBlobs(http: RegistryHttp, clock: Sys['clock'], name: string): BlobReader & BlobWriter {
  const path = (digest: Digest) => `/v2/${name}/blobs/${digest}`
  const stat: BlobReader['stat'] = async (digest) => {
    const response = await http.send({ method: 'HEAD', target: path(digest) }, [200, 404])
    await http.finish(response)
    if (response.status === 404) return undefined
    const length = response.headers['content-length'] ?? ''
    if (/^\d{1,15}$/.test(length)) return { sizeBytes: Number(length) }
    throw new OciError('registry-failed', `${http.host} does not say how large ${digest} is`, {
      where: http.host,
    })
  }
  const readFrom: BlobReader['readFrom'] = (digest, offset, to = Number.POSITIVE_INFINITY) =>
    resuming(http, clock, path(digest), digest, { offset, to })
  return {
    stat,
    readFrom,
    read: (digest) => verifying(readFrom(digest, 0), { digest }, `${http.host}${path(digest)}`),
    async write(digest, sizeBytes, content) {
      if ((await stat(digest)) === undefined) await upload(http, name, digest, sizeBytes, content)
    },
  }
}

/**
 * The bytes of a blob from `offset` on, up to `to`. When the connection is cut or the registry cannot answer for a moment, it asks again for
 * what is missing, waiting longer each time; it gives up after {@link resumesMax} attempts that brought nothing.
 */
async function* resuming(
  http: RegistryHttp,
  clock: Sys['clock'],
  target: string,
  digest: Digest,
  { offset, to }: { readonly offset: number; readonly to: number },
): AsyncGenerator<Uint8Array> {
  let position = offset
  let failures = 0
  for (;;) {
    const begun = position
    try {
      for await (const chunk of await openAt(http, target, digest, position, to)) {
        const wanted = chunk.subarray(0, to - position)
        position += wanted.length
        yield wanted
        if (position >= to) return
      }
      return
    } catch (error) {
      const cut = asUnreachable(error, http.origin)
      if (position - begun >= resumeProgressBytes) failures = 0
      const passing = cut instanceof OciError && cut.code === 'registry-unreachable'
      if (!passing || ++failures > resumesMax) throw cut
      await clock.sleep(Math.min(resumeDelayMs * 2 ** (failures - 1), resumeDelayMsMax))
    }
  }
}

async function openAt(
  http: RegistryHttp,
  target: string,
  digest: Digest,
  position: number,
  to: number,
): Promise<AsyncIterable<Uint8Array>> {
  // RFC 9110, 14.2. Asked for only where needed: some registries answer it for the whole blob with an error.
  const whole = position === 0 && to === Number.POSITIVE_INFINITY
  const headers = whole ? {} : { range: `bytes=${position}-${Number.isFinite(to) ? to - 1 : ''}` }
  const response = await http.send({ method: 'GET', target, headers }, [200, 206, 404, 416])
  if (response.status === 200 && Number.isFinite(to)) {
    // All of it was not asked for; leaving the loop ends the transfer.
    for await (const _ of response.body) break
    throw new OciError('ranges-unsupported', `${http.host} does not send parts of a blob`, {
      where: http.host,
    })
  }
  if (response.status === 200) return skipping(response.body, position)
  if (response.status === 206 && rangeStart(response) === position) return response.body
  await http.finish(response)
  if (response.status === 404)
    throw new OciError('blob-unknown', `the registry has no blob ${digest}`, {
      where: `${http.host}${target}`,
    })
  // Nothing is there from this byte on: the caller compares the whole and learns whether that is right.
  if (response.status === 416) return Readable.from([])
  throw new OciError('registry-failed', `${http.host} answered with another range than was asked for`, {
    where: `${http.host}${target}`,
  })
}

function rangeStart(response: HttpResponse): number {
  return Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1])
}

/** A registry that knows no ranges sends the whole blob again: what is there already is passed over. */
async function* skipping(content: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count
  for await (const chunk of content) {
    if (left < chunk.length) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}

/** distribution-spec, "POST then PUT": any registry takes it, and the blob's size need not fit in memory. */
async function upload(
  http: RegistryHttp,
  name: string,
  digest: Digest,
  sizeBytes: number,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const target = `/v2/${name}/blobs/uploads/`
  const begun = await http.send({ method: 'POST', target, headers: { 'content-length': '0' } }, [202])
  await http.finish(begun)
  const { location } = begun.headers
  if (location === undefined)
    throw new OciError('registry-failed', `${http.host} does not say where to upload to`, {
      where: http.host,
    })
  const place = placeFrom(new URL(target, http.origin), location)
  place.searchParams.set('digest', digest)
  const ended = await http.send(
    {
      method: 'PUT',
      target: place.href,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) },
      body: verifying(content, { digest, sizeBytes }, `upload to ${http.host}`),
    },
    [201],
  )
  await http.finish(ended)
}
