import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, digestHex, mediaType } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import {
  type ContentStore,
  collect,
  digestOf,
  openContentStore,
  printIndex,
  printManifest,
  streamOf,
} from './index.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
let folder: string
let store: ContentStore

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar oci '))
  store = await openContentStore(realSys, folder)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const incoming = () => readdirSync(join(folder, 'incoming'))
const missing = `sha256:${'0'.repeat(64)}` as Digest

async function* failing(): AsyncGenerator<Uint8Array> {
  yield bytes('the beginning')
  throw new Error('cable pulled')
}

describe('blobs', () => {
  test('what is put can be read, and its file is the content', async () => {
    const digest = await store.blobs.put(bytes('hello'))
    expect(digest).toBe(digestOf(bytes('hello')))
    expect(await store.blobs.stat(digest)).toEqual({ sizeBytes: 5 })
    expect(Buffer.from(await collect(store.blobs.read(digest), 10)).toString()).toBe('hello')
    expect(execFileSync('sha256sum', [store.blobs.path(digest)], { encoding: 'utf8' })).toContain(
      digestHex(digest),
    )
    expect(incoming()).toEqual([])
  })

  test.each([
    ['other content is not stored', digestOf('other'), 5, 'digest-mismatch'],
    ['a cut stream is not stored', digestOf('hello'), 6, 'size-mismatch'],
    ['a stream that goes on is not stored', digestOf('hell'), 4, 'size-mismatch'],
  ])('%s', async (_, digest, sizeBytes, code) => {
    await expect(store.blobs.write(digest, sizeBytes, streamOf(bytes('hello')))).rejects.toMatchObject({
      code,
    })
    expect(readdirSync(join(folder, 'blobs/sha256'))).toEqual([])
    expect(incoming()).toEqual([])
  })

  test('nothing stays of a stream that failed', async () => {
    await expect(store.blobs.ingest(failing())).rejects.toThrow('cable pulled')
    expect(incoming()).toEqual([])
  })

  test('an incoming blob keeps what came before the cut and goes on from there', async () => {
    const blob = await store.blobs.begin()
    await expect(blob.append(failing())).rejects.toThrow('cable pulled')
    expect(blob.sizeBytes).toBe(13)
    await blob.append(streamOf(bytes(' and the end')))
    const digest = digestOf('the beginning and the end')
    expect(await blob.commit({ digest })).toEqual({ digest, sizeBytes: 25 })
  })

  test('a blob that was altered on disk is never read to a good end, and writing it again mends it', async () => {
    const digest = await store.blobs.put(bytes('hello'))
    writeFileSync(store.blobs.path(digest), 'jello')
    await expect(collect(store.blobs.read(digest), 10)).rejects.toMatchObject({ code: 'digest-mismatch' })
    await store.blobs.write(digest, 5, streamOf(bytes('hello')))
    expect(await collect(store.blobs.read(digest), 10)).toHaveLength(5)
  })

  test('a blob that is not there is unknown', async () => {
    expect(await store.blobs.stat(missing)).toBeUndefined()
    await expect(collect(store.blobs.read(missing), 10)).rejects.toMatchObject({ code: 'blob-unknown' })
  })

  test('a part is read from a byte on, and up to one', async () => {
    const digest = await store.blobs.put(bytes('hello'))
    expect(Buffer.from(await collect(store.blobs.readFrom(digest, 3), 10)).toString()).toBe('lo')
    expect(Buffer.from(await collect(store.blobs.readFrom(digest, 1, 3), 10)).toString()).toBe('el')
    expect(await collect(store.blobs.readFrom(digest, 5), 10)).toHaveLength(0)
  })

  test('writers of the same blob at once do not disturb each other', async () => {
    const content = Buffer.alloc(300_000, 7)
    const other = await openContentStore(realSys, folder)
    await Promise.all(
      [store, other, store, other].map((s) => s.blobs.write(digestOf(content), 300_000, streamOf(content))),
    )
    expect(await collect(store.blobs.read(digestOf(content)), 300_000)).toHaveLength(300_000)
    expect(incoming()).toEqual([])
  })

  test('leftovers of a killed writer are removed at open, those of a living one are not', async () => {
    const sleeper = spawn('sleep', ['1000'])
    await once(sleeper, 'spawn')
    writeFileSync(join(folder, 'incoming', `${sleeper.pid}.cafe`), 'half a blob')
    await openContentStore(realSys, folder)
    expect(incoming()).toHaveLength(1)
    sleeper.kill('SIGKILL')
    await once(sleeper, 'exit')
    await openContentStore(realSys, folder)
    expect(incoming()).toEqual([])
  })
})

describe('local repositories', () => {
  const configOf = async () => {
    const config = bytes('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    return {
      mediaType: mediaType.config,
      digest: await store.blobs.put(config),
      size: config.length,
    }
  }
  const manifestOf = async (more: object = {}) =>
    printManifest({
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config: await configOf(),
      layers: [],
      ...more,
    })

  test('skopeo reads an image by its tag', async () => {
    const manifest = await manifestOf()
    const repository = store.repository('plants/gateway')
    const digest = await repository.putManifest(manifest, mediaType.manifest, '1.0.0')
    const layout = join(folder, 'repositories', 'plants+gateway')
    const raw = execFileSync('skopeo', ['inspect', '--raw', `oci:${layout}:1.0.0`])
    expect(digestOf(raw)).toBe(digest)
    expect(await store.repositories()).toEqual(['plants/gateway'])
  })

  test('a tag names what was put last; an old digest stays', async () => {
    const repository = store.repository('gateway')
    const first = await repository.putManifest(await manifestOf(), mediaType.manifest, '1.0.0')
    const second = await repository.putManifest(
      await manifestOf({ annotations: { a: 'b' } }),
      mediaType.manifest,
      '1.0.0',
    )
    expect((await repository.manifest('1.0.0'))?.digest).toBe(second)
    expect((await repository.manifest(first))?.digest).toBe(first)
    expect(await repository.manifest('2.0.0')).toBeUndefined()
    expect(await repository.manifest(missing)).toBeUndefined()
    expect(await repository.tags()).toEqual(['1.0.0'])
  })

  test('two tags of one digest are both kept', async () => {
    const repository = store.repository('gateway')
    for (const tag of ['b', 'a', 'a'])
      await repository.putManifest(await manifestOf(), mediaType.manifest, tag)
    expect(await repository.tags()).toEqual(['a', 'b'])
  })

  test('referrers are found by subject and type', async () => {
    const repository = store.repository('gateway')
    const digest = await repository.putManifest(await manifestOf(), mediaType.manifest, '1.0.0')
    const subject = { mediaType: mediaType.manifest, digest, size: 1 }
    const put = async (artifactType: string) =>
      repository.putManifest(await manifestOf({ artifactType, subject }), mediaType.manifest)
    const bundle = await put(mediaType.bundle)
    await put(mediaType.bundle)
    await put('application/x-other')
    expect((await repository.referrers(digest)).length).toBe(2)
    expect((await repository.referrers(digest, mediaType.bundle)).map((r) => r.digest)).toEqual([bundle])
    expect(await repository.referrers(bundle)).toEqual([])
  })

  test.each([
    ['a manifest without its blobs', { config: { mediaType: mediaType.config, digest: missing, size: 2 } }],
    [
      'a manifest that gives a wrong size',
      { layers: [{ mediaType: 'a/b', digest: digestOf('x'), size: 9 }] },
    ],
  ])('%s is refused', async (_, more) => {
    await store.blobs.put(bytes('x'))
    const put = store.repository('gateway').putManifest(await manifestOf(more), mediaType.manifest, '1.0.0')
    await expect(put).rejects.toMatchObject({ code: 'blob-unknown' })
    expect(await store.repository('gateway').tags()).toEqual([])
  })

  test('names that would leave the folder are refused', () => {
    for (const name of ['..', '../x', 'A', '', 'a//b'])
      expect(() => store.repository(name), name).toThrow(expect.objectContaining({ code: 'name-invalid' }))
  })

  test('many writers at once lose no tag', async () => {
    const manifest = await manifestOf()
    const other = await openContentStore(realSys, folder)
    const tags = Array.from({ length: 12 }, (_, i) => `1.0.${i}`)
    await Promise.all(
      tags.map((tag, i) =>
        (i % 2 ? store : other).repository('gateway').putManifest(manifest, mediaType.manifest, tag),
      ),
    )
    expect(await store.repository('gateway').tags()).toEqual(tags.toSorted())
  })

  test('the lock of a killed writer does not stop the next one', async () => {
    const repository = store.repository('gateway')
    await repository.putManifest(await manifestOf(), mediaType.manifest, '1.0.0')
    const dead = spawn('true')
    await once(dead, 'exit')
    const lock = join(folder, 'repositories/gateway/.lock')
    writeFileSync(lock, String(dead.pid))
    await repository.putManifest(await manifestOf(), mediaType.manifest, '1.0.1')
    expect(await repository.tags()).toEqual(['1.0.0', '1.0.1'])
    expect(existsSync(lock)).toBe(false)
  })

  test('an index is kept although it has no tag', async () => {
    const repository = store.repository('gateway')
    const digest = await repository.putManifest(
      printIndex({ schemaVersion: 2, mediaType: mediaType.index, manifests: [] }),
      mediaType.index,
    )
    expect((await repository.manifest(digest))?.mediaType).toBe(mediaType.index)
    expect(execFileSync('cat', [join(folder, 'repositories/gateway/index.json')]).toString()).toContain(
      digest,
    )
  })
})
