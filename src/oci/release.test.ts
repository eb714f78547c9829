import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Digest,
  mediaType,
  noProgress,
  type ProgressEvent,
  predicateType,
  printReleaseDocument,
} from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { releaseFixture } from '../testing/index.ts'
import {
  attachBundle,
  bundlesOf,
  type ContentStore,
  collect,
  copyRelease,
  digestOf,
  openContentStore,
  parseIndex,
  parseManifest,
  printIndex,
  printManifest,
  type Repository,
  readRelease,
  readReleaseFiles,
} from './index.ts'

let folder: string
let store: ContentStore
let repository: Repository
let release: Digest

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-oci-'))
  store = await openContentStore(realSys, folder)
  repository = store.repository('gateway')
  release = (await releaseFixture(repository)).digest
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const text = async (digest: Digest) =>
  Buffer.from(await collect(store.blobs.read(digest), 10_000_000)).toString()
const indexOf = async (digest: Digest) => parseIndex(Buffer.from(await text(digest)))

describe('a release', () => {
  test('is an index without artifactType, of images first, then disks, then the document', async () => {
    const raw = await text(release)
    expect(raw).toMatch(
      /^\{"schemaVersion":2,"mediaType":"application\/vnd\.oci\.image\.index\.v1\+json","manifests":\[\{"mediaType":/,
    )
    expect(raw).not.toContain('artifactType')
    const { manifests } = await indexOf(release)
    expect(manifests.map((m) => m.platform)).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'unknown', os: 'unknown' },
      { architecture: 'unknown', os: 'unknown' },
    ])
  })

  test('is read back with its document and disk', async () => {
    const read = await readRelease(repository, release)
    expect(read.document.name).toBe('gateway')
    expect(read.image('amd64')?.mediaType).toBe(mediaType.manifest)
    expect(read.image('arm64')).toBeUndefined()
    const disk = read.disk('amd64')
    expect([disk?.root.mediaType, disk?.verity.mediaType, disk?.boot.mediaType]).toEqual([
      mediaType.diskRoot,
      mediaType.diskVerity,
      mediaType.diskBoot,
    ])
    expect(read.disk('arm64')).toBeUndefined()
    expect(readReleaseFiles(read.files, release)).toEqual(read.document)
  })

  test('equal parts give an equal digest, other parts another', async () => {
    const again = await releaseFixture(store.repository('other'))
    expect(again.digest).toBe(release)
    const changed = await releaseFixture(store.repository('other'), { version: '1.0.1' })
    expect(changed.digest).not.toBe(release)
  })

  test('each of its three files is tied to the digest', async () => {
    const { files } = await readRelease(repository, release)
    const other = await releaseFixture(store.repository('other'), { version: '6.6.6' })
    const foreign = (await readRelease(store.repository('other'), other.digest)).files
    for (const part of ['index', 'manifest', 'document'] as const)
      expect(() => readReleaseFiles({ ...files, [part]: foreign[part] }, release), part).toThrow(
        expect.objectContaining({ code: 'digest-mismatch' }),
      )
    expect(() => readReleaseFiles(foreign, release)).toThrow(
      expect.objectContaining({ code: 'digest-mismatch' }),
    )
  })

  test('that is not there is unknown', async () => {
    const missing = `sha256:${'0'.repeat(64)}` as Digest
    await expect(readRelease(repository, missing)).rejects.toMatchObject({ code: 'manifest-unknown' })
  })
})

describe('what is no release is refused', () => {
  const putIndex = async (change: (index: ReturnType<typeof parseIndex>) => object) => {
    const index = await indexOf(release)
    return repository.putManifest(printIndex({ ...index, ...change(index) }), mediaType.index)
  }
  /** The release with its last manifest, that of the document, changed. */
  const withDocument = async (change: (document: string) => Uint8Array, manifest: object = {}) => {
    const index = await indexOf(release)
    const old = index.manifests.at(-1)
    if (old === undefined) throw new Error('the fixture has no manifests')
    const parsed = parseManifest(Buffer.from(await text(old.digest)))
    const read = await readRelease(repository, release)
    const blob = change(printReleaseDocument(read.document))
    const digest = await store.blobs.put(blob)
    const layers = [{ mediaType: mediaType.releaseDocument, digest, size: blob.length }]
    const bytes = printManifest({ ...parsed, layers, ...manifest })
    const entry = {
      ...old,
      digest: await repository.putManifest(bytes, mediaType.manifest),
      size: bytes.length,
    }
    return putIndex(() => ({ manifests: [...index.manifests.slice(0, -1), entry] }))
  }

  test.each<[string, () => Promise<Digest>]>([
    ['an ordinary image', async () => (await indexOf(release)).manifests[0]?.digest ?? release],
    ['an index without a document', () => putIndex((i) => ({ manifests: i.manifests.slice(0, -1) }))],
    ['an index with two', () => putIndex((i) => ({ manifests: [...i.manifests, ...i.manifests.slice(-1)] }))],
    ['one without its disk', () => putIndex((i) => ({ manifests: i.manifests.filter((_, n) => n !== 1) }))],
    ['a document that is no gzip', () => withDocument((d) => Buffer.from(d))],
    ['a document that is zstd', () => withDocument((d) => zstdCompressSync(d))],
    ['a document in another form', () => withDocument((d) => gzipSync(` ${d}`))],
    ['a document that unpacks without end', () => withDocument(() => gzipSync(Buffer.alloc(50_000_000)))],
    [
      'two documents in one manifest',
      async () => {
        const blob = await store.blobs.put(Buffer.from('x'))
        const layer = { mediaType: mediaType.releaseDocument, digest: blob, size: 1 }
        return withDocument((d) => gzipSync(d), { layers: [layer, layer] })
      },
    ],
  ])('%s', async (_, make) => {
    await expect(readRelease(repository, await make())).rejects.toMatchObject({ code: 'release-malformed' })
  })
})

describe('bundles', () => {
  const bundle = Buffer.from('{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}')

  test('are attached as cosign 3 does, and found again', async () => {
    const digest = await attachBundle(repository, release, bundle, predicateType.signature)
    expect(JSON.parse(await text(digest))).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
      },
      layers: [
        {
          mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          digest: digestOf(bundle),
          size: bundle.length,
        },
      ],
      subject: { mediaType: mediaType.index, digest: release, size: (await text(release)).length },
      annotations: {
        'dev.sigstore.bundle.content': 'dsse-envelope',
        'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
      },
    })
    expect(await attachBundle(repository, release, bundle, predicateType.signature)).toBe(digest)
    expect((await bundlesOf(repository, release)).map((b) => Buffer.from(b))).toEqual([bundle])
  })

  test('are found beside what is damaged, and beside what is none, which are empty', async () => {
    const subject = { mediaType: mediaType.index, digest: release, size: (await text(release)).length }
    const junk = {
      schemaVersion: 2,
      mediaType: mediaType.index,
      artifactType: mediaType.bundle,
      manifests: [],
      subject,
    }
    await repository.putManifest(new TextEncoder().encode(JSON.stringify(junk)), mediaType.index)
    const other = Buffer.from('{"another":"bundle"}')
    await attachBundle(repository, release, other, predicateType.signature)
    writeFileSync(store.blobs.path(digestOf(other)), Buffer.alloc(other.length))
    await attachBundle(repository, release, bundle, predicateType.signature)
    expect(await repository.referrers(release, mediaType.bundle)).toHaveLength(3)
    const found = (await bundlesOf(repository, release)).map((b) => Buffer.from(b).toString())
    expect(found.toSorted()).toEqual(['', '', bundle.toString()].toSorted())
  })

  test('that are too many are seen to be too many', async () => {
    await attachBundle(repository, release, bundle, predicateType.signature)
    const one = await repository.referrers(release, mediaType.bundle)
    const crowded = { ...repository, referrers: async () => Array.from({ length: 300 }, () => one).flat() }
    expect(await bundlesOf(crowded, release)).toHaveLength(257)
  })

  test('a release that is not there takes none', async () => {
    const missing = `sha256:${'0'.repeat(64)}` as Digest
    const attach = attachBundle(repository, missing, bundle, predicateType.signature)
    await expect(attach).rejects.toMatchObject({ code: 'manifest-unknown' })
  })

  test('travel with a copy, and the copy is the same release', async () => {
    await attachBundle(repository, release, bundle, predicateType.signature)
    const elsewhere = await openContentStore(realSys, join(folder, 'elsewhere'))
    const to = elsewhere.repository('copied')
    const events: ProgressEvent[] = []
    const progress = (event: ProgressEvent) => events.push(event)
    await copyRelease(repository, to, release, { tag: '1.0.0', referrers: true, step: 'copy', progress })
    expect((await to.manifest('1.0.0'))?.digest).toBe(release)
    expect((await bundlesOf(to, release)).length).toBe(1)
    expect((await readRelease(to, release)).document.name).toBe('gateway')
    const last = events.at(-1)
    expect(last).toMatchObject({ step: 'copy', done: last?.total, unit: 'bytes' })
    expect([...new Set(events.map(({ item }) => item?.number))]).toEqual(
      Array.from({ length: last?.item?.of ?? 0 }, (_, index) => index + 1),
    )
    events.length = 0
    await copyRelease(repository, to, release, { referrers: true, step: 'copy', progress })
    expect(events).toEqual([])
  })

  test('a blob that was exchanged in the source is not copied, and the release does not appear', async () => {
    const root = (await readRelease(repository, release)).disk('amd64')?.root
    if (root === undefined) throw new Error('the fixture has a disk')
    const { writeFile } = realSys.disk
    await writeFile(store.blobs.path(root.digest), Buffer.alloc(root.size))
    const to = (await openContentStore(realSys, join(folder, 'elsewhere'))).repository('copied')
    const copy = copyRelease(repository, to, release, { referrers: true, step: 'copy', progress: noProgress })
    await expect(copy).rejects.toMatchObject({ code: 'digest-mismatch' })
    expect(await to.manifest(release)).toBeUndefined()
  })
})
