import { createHash } from 'node:crypto'
import { type Digest, digestFromHex } from '../core/index.ts'
import { OciError } from './errors.ts'

/** What a stream of bytes turned out to be. */
export interface BlobContent {
  readonly digest: Digest
  readonly sizeBytes: number
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return digestFromHex(createHash('sha256').update(bytes).digest('hex'))
}

/**
 * Passes a stream on that ends well only if it was the expected content. With a size, it fails as soon as more arrives.
 * One chunk is always held back until what follows is known: who passes the stream on never completes a wrong one.
 * @throws OciError `digest-mismatch`, `size-mismatch`
 */
export async function* verifying(
  content: AsyncIterable<Uint8Array>,
  expected: { readonly digest: Digest; readonly sizeBytes?: number },
  where: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  let last: Uint8Array | undefined
  for await (const chunk of content) {
    hash.update(chunk)
    sizeBytes += chunk.length
    if (expected.sizeBytes !== undefined && sizeBytes > expected.sizeBytes) break
    if (last !== undefined) yield last
    last = chunk
  }
  expectContent({ digest: digestFromHex(hash.digest('hex')), sizeBytes }, expected, where)
  if (last !== undefined) yield last
}

/** @throws OciError `size-mismatch`, `digest-mismatch` */
export function expectContent(
  actual: BlobContent,
  expected: { readonly digest?: Digest; readonly sizeBytes?: number },
  where: string,
): void {
  if (expected.sizeBytes !== undefined && actual.sizeBytes !== expected.sizeBytes)
    throw new OciError(
      'size-mismatch',
      `${expected.digest ?? 'the content'} must have ${expected.sizeBytes} bytes, not ${actual.sizeBytes} or more`,
      { where, hint: 'the content was cut short or exchanged: fetch it again, or from another place' },
    )
  if (expected.digest !== undefined && actual.digest !== expected.digest)
    throw new OciError('digest-mismatch', `the content is ${actual.digest}, not ${expected.digest}`, {
      where,
      hint: 'the content was damaged or exchanged: fetch it again, or from another place',
    })
}

/** A small stream as one piece. @throws OciError `content-too-large` beyond `limitBytes` */
export async function collect(
  content: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of content) {
    sizeBytes += chunk.length
    if (sizeBytes > limitBytes)
      throw new OciError('content-too-large', `there are more than the ${limitBytes} bytes allowed here`)
    chunks.push(chunk)
  }
  const whole = new Uint8Array(sizeBytes)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

/** One piece as a stream. */
export async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
