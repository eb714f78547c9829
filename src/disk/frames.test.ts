import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printSeekTable, unpackFrames } from './frames.ts'
import { frameBytes } from './limits.ts'

const contents = [Buffer.alloc(frameBytes, 'a'), randomBytes(70_000), Buffer.from('end'), Buffer.alloc(0)]
const frames = contents.map((content) => zstdCompressSync(content))
const table = printSeekTable(
  frames.map((packed, index) => ({
    packedBytes: packed.length,
    contentBytes: contents[index]?.length ?? 0,
  })),
)
const blob = Buffer.concat([...frames, table])

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function unpacked(bytes: Uint8Array, size = bytes.length): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of unpackFrames(inPieces(bytes, size))) pieces.push(piece)
  return Buffer.concat(pieces)
}

test('frames come out as one content, however they arrive', async () => {
  const whole = Buffer.concat(contents)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 7, max: blob.length }), async (size) => {
      expect((await unpacked(blob, size)).equals(whole)).toBe(true)
    }),
    { numRuns: 40 },
  )
})

test('zstd itself reads the same', () => {
  expect(execFileSync('zstd', ['-dc'], { input: blob }).equals(Buffer.concat(contents))).toBe(true)
})

test.each([
  ['a blob that is cut', blob.subarray(0, blob.length - 1)],
  ['a frame that is cut', frames[1]?.subarray(0, 1_000) ?? blob],
  ['what is no frame', Buffer.from('something that is no frame')],
  ['a frame of more than it may be', zstdCompressSync(Buffer.alloc(frameBytes + 1))],
])('%s is refused', async (_, bytes) => {
  await expect(unpacked(bytes, 1_000)).rejects.toMatchObject({ code: 'frame-malformed' })
})

test('nothing but whole content or a refusal comes of altered blobs', async () => {
  const small = Buffer.concat([zstdCompressSync(Buffer.from('one')), zstdCompressSync(Buffer.from('two'))])
  await fc.assert(
    fc.asyncProperty(fc.nat(small.length - 1), fc.nat(255), async (at, value) => {
      const altered = Buffer.from(small)
      altered[at] = value
      const result = await unpacked(altered).catch((error: { code?: string }) => error.code)
      expect(Buffer.isBuffer(result) || result === 'frame-malformed').toBe(true)
    }),
  )
})
