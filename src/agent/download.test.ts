import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex, mediaType } from '../core/index.ts'
import { digestOf, OciError, openContentStore, type Repository } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { fetchUnpacked } from './download.ts'

let work: string
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-download-'))
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

const plain = Buffer.concat(Array.from({ length: 400 }, (_, i) => realSys.random.bytes(700 + (i % 3))))
const packed = zstdCompressSync(plain)
const blob = { mediaType: mediaType.diskRoot, digest: digestOf(packed), size: packed.length }
const content = { digest: digestOf(plain), sizeBytes: plain.length }

/** A registry that serves these bytes for any blob, and notes from where it was asked to. */
async function serving(bytes: Uint8Array, cutAt = Number.POSITIVE_INFINITY) {
  const offsets: number[] = []
  const store = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  async function* readFrom(_: unknown, offset: number): AsyncGenerator<Uint8Array> {
    offsets.push(offset)
    for (let at = offset; at < bytes.length; at += 10_000) {
      if (at >= cutAt) throw new OciError('registry-unreachable', 'cut')
      yield bytes.subarray(at, at + 10_000)
    }
  }
  const repository: Repository = { ...store, blobs: { ...store.blobs, readFrom } }
  return { repository, offsets }
}

const folder = () => join(work, 'incoming')

async function fetched(repository: Repository, wanted = { blob, content }): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const download = { sys: realSys, repository, folder: folder(), onBytes: () => undefined, ...wanted }
  await fetchUnpacked(download, async (unpacked) => {
    // A second attempt begins anew, as opening the slot's file does.
    pieces.length = 0
    for await (const piece of unpacked) pieces.push(piece)
  })
  return Buffer.concat(pieces)
}

async function hold(bytes: Uint8Array): Promise<void> {
  await mkdir(folder(), { recursive: true })
  await writeFile(join(folder(), `${digestHex(blob.digest)}.part`), bytes)
}

describe('a download', () => {
  test('gives the unpacked content, and keeps nothing of the packed', async () => {
    const { repository } = await serving(packed)
    expect((await fetched(repository)).equals(plain)).toBe(true)
    expect(await readdir(folder())).toEqual([])
  })

  test('that is cut goes on from the bytes that it has', async () => {
    const { repository } = await serving(packed, 100_000)
    await expect(fetched(repository)).rejects.toMatchObject({ code: 'registry-unreachable' })
    const again = await serving(packed)
    expect((await fetched(again.repository)).equals(plain)).toBe(true)
    expect(again.offsets).toEqual([100_000])
  })

  test('that lies there whole asks for nothing', async () => {
    await hold(packed)
    const { repository, offsets } = await serving(packed)
    expect((await fetched(repository)).equals(plain)).toBe(true)
    expect(offsets).toEqual([])
  })

  test('whose beginning was damaged on disk is fetched anew, once', async () => {
    await hold(Buffer.alloc(50_000))
    const { repository, offsets } = await serving(packed)
    expect((await fetched(repository)).equals(plain)).toBe(true)
    expect(offsets).toEqual([50_000, 0])
  })

  test('forgets the beginnings of other blobs', async () => {
    await mkdir(folder(), { recursive: true })
    await writeFile(join(folder(), 'old.part'), 'x')
    await fetched((await serving(packed)).repository)
    expect(await readdir(folder())).toEqual([])
  })
})

describe('what is not the blob that was named', () => {
  const otherPlain = Buffer.from(plain)
  otherPlain[1_000] = (otherPlain[1_000] ?? 0) ^ 1
  const flipped = Buffer.from(packed)
  flipped[200_000] = (flipped[200_000] ?? 0) ^ 1
  const named = (bytes: Uint8Array) => ({
    mediaType: blob.mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  })
  const larger = zstdCompressSync(Buffer.concat([plain, plain]))

  test.each([
    [
      'something else that does not unpack',
      Buffer.alloc(packed.length, 7),
      { blob, content },
      'blob-digest-mismatch',
    ],
    ['one bit', flipped, { blob, content }, 'blob-digest-mismatch'],
    ['more bytes', Buffer.concat([packed, packed]), { blob, content }, 'blob-digest-mismatch'],
    [
      'the blob of another root image',
      zstdCompressSync(otherPlain),
      { blob: named(zstdCompressSync(otherPlain)), content },
      'content-digest-mismatch',
    ],
    [
      'a root image that is larger than it says',
      larger,
      { blob: named(larger), content },
      'content-digest-mismatch',
    ],
    ['a signed blob that does not unpack', plain, { blob: named(plain), content }, 'content-digest-mismatch'],
  ])('%s is refused', async (_, bytes, wanted, code) => {
    const { repository } = await serving(bytes)
    await expect(fetched(repository, wanted)).rejects.toMatchObject({ code })
    expect(await readdir(folder())).toEqual([])
  })

  test('an end before the end is a cut: the registry may do better', async () => {
    const { repository } = await serving(packed.subarray(0, 150_000))
    await expect(fetched(repository)).rejects.toMatchObject({ code: 'registry-unreachable' })
  })
})
