import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, mediaType } from '../core/index.ts'
import {
  type ContentStore,
  digestOf,
  dockerMediaType,
  manifestBytesMax,
  openContentStore,
  printIndex,
  printManifest,
} from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { basic, type RegistryAnswer, type TestRegistry, testRegistry } from '../testing/index.ts'
import { tagRuleOf } from './index.ts'

let folder: string
let store: ContentStore
let registry: TestRegistry

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-registry-'))
  store = await openContentStore(realSys, folder)
  registry = await testRegistry(store, tagRuleOf(['loose']))
})
afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

const call: TestRegistry['call'] = (...request) => registry.call(...request)

const bytes = Buffer.from('0123456789')
const digest = digestOf(bytes)
const missing = `sha256:${'0'.repeat(64)}` as Digest

async function pushBlob(content: Uint8Array = bytes, repository = 'app'): Promise<Digest> {
  const name = digestOf(content)
  const { status } = await call('POST', `/v2/${repository}/blobs/uploads/?digest=${name}`, content)
  expect(status).toBe(201)
  return name
}

async function manifestOf(more: object = {}, repository = 'app'): Promise<Uint8Array> {
  await pushBlob(Buffer.from('{}'), repository)
  const config = { mediaType: mediaType.empty, digest: digestOf('{}'), size: 2 }
  return printManifest({ schemaVersion: 2, mediaType: mediaType.manifest, config, layers: [], ...more })
}

const pushManifest = (
  content: Uint8Array,
  of: string,
  type: string = mediaType.manifest,
  repository = 'app',
) => call('PUT', `/v2/${repository}/manifests/${of}`, content, { 'content-type': type })

describe('who may', () => {
  const routes = [
    ['GET', '/v2/'],
    ['GET', '/v2'],
    ['GET', '/v2/_catalog'],
    ['GET', `/v2/app/blobs/${missing}`],
    ['HEAD', `/v2/app/blobs/${missing}`],
    ['POST', '/v2/app/blobs/uploads/'],
    ['PATCH', '/v2/app/blobs/uploads/x'],
    ['GET', '/v2/app/manifests/1.0.0'],
    ['PUT', '/v2/app/manifests/1.0.0'],
    ['DELETE', '/v2/app/manifests/1.0.0'],
    ['GET', '/v2/app/tags/list'],
    ['GET', `/v2/app/referrers/${missing}`],
  ] as const

  test.each(routes)('%s %s without a credential: 401, and how to log in', async (method, path) => {
    const answer = await call(method, path, undefined, { authorization: 'Basic bm8=' })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Basic realm="ashlar"')
    if (method !== 'HEAD') expect(answer.hint).toMatch(/log in/)
  })

  test('one who may only read does not write', async () => {
    const reader = { authorization: basic('reader') }
    for (const [method, path] of [
      ['POST', '/v2/app/blobs/uploads/'],
      ['PUT', '/v2/app/manifests/1.0.0'],
      ['DELETE', '/v2/app/manifests/1.0.0'],
    ] as const)
      expect(await call(method, path, '', reader), method).toMatchObject({ status: 403, code: 'DENIED' })
    expect((await call('GET', '/v2/', undefined, reader)).status).toBe(200)
    expect((await call('GET', '/v2/secret/tags/list', undefined, reader)).status).toBe(403)
  })

  test("an upload is its beginner's alone", async () => {
    const { headers } = await call('POST', '/v2/app/blobs/uploads/')
    const elsewhere = headers.location?.replace('/app/', '/other/') ?? ''
    expect(await call('PATCH', elsewhere, 'x')).toMatchObject({ status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })
  })

  test('a blob is mounted only from where it is and may be read', async () => {
    await pushBlob(bytes, 'secret')
    const mount = `/v2/app/blobs/uploads/?mount=${digest}`
    expect((await call('POST', `${mount}&from=nowhere`)).status).toBe(202)
    expect((await call('POST', mount)).status).toBe(202)
    expect((await call('GET', `/v2/app/blobs/${digest}`)).status).toBe(404)
    const mounted = await call('POST', `${mount}&from=secret`)
    expect(mounted).toMatchObject({ status: 201, headers: { location: `/v2/app/blobs/${digest}` } })
    expect((await call('GET', `/v2/app/blobs/${digest}`)).text).toBe('0123456789')
  })
})

describe('manifests', () => {
  test('are read by tag and by digest with the type they came with', async () => {
    const manifest = await manifestOf()
    const put = await pushManifest(manifest, '1.0.0')
    expect(put.status).toBe(201)
    expect(put.headers['docker-content-digest']).toBe(digestOf(manifest))
    for (const of of ['1.0.0', digestOf(manifest)]) {
      const got = await call('GET', `/v2/app/manifests/${of}`)
      expect(got.text).toBe(Buffer.from(manifest).toString())
      expect(got.headers['content-type']).toBe(mediaType.manifest)
      const head = await call('HEAD', `/v2/app/manifests/${of}`)
      expect(head).toMatchObject({
        status: 200,
        text: '',
        headers: { 'content-length': `${manifest.length}` },
      })
    }
    expect(registry.stored).toEqual([
      {
        repository: 'app',
        digest: digestOf(manifest),
        mediaType: mediaType.manifest,
        actor: 'writer',
        tag: '1.0.0',
      },
    ])
  })

  test('of docker are taken', async () => {
    const manifest = await manifestOf({ mediaType: dockerMediaType.manifest })
    expect((await pushManifest(manifest, '1.0.0', dockerMediaType.manifest)).status).toBe(201)
  })

  test.each<[string, number, string, () => Promise<RegistryAnswer>]>([
    ['is no JSON', 400, 'MANIFEST_INVALID', () => pushManifest(Buffer.from('{'), '1')],
    [
      'is sent as what it is not',
      400,
      'MANIFEST_INVALID',
      async () => pushManifest(await manifestOf(), '1', mediaType.index),
    ],
    [
      'is of a type nobody knows',
      400,
      'MANIFEST_INVALID',
      async () => pushManifest(await manifestOf(), '1', 'text/plain'),
    ],
    ['has another digest', 400, 'DIGEST_INVALID', async () => pushManifest(await manifestOf(), missing)],
    ['has a tag that is none', 400, 'MANIFEST_INVALID', async () => pushManifest(await manifestOf(), '-1')],
    ['is too large', 413, 'SIZE_INVALID', () => pushManifest(Buffer.alloc(manifestBytesMax + 1, 32), '1')],
    [
      'lacks a blob',
      404,
      'MANIFEST_BLOB_UNKNOWN',
      async () =>
        pushManifest(await manifestOf({ layers: [{ mediaType: 'a/b', digest: missing, size: 1 }] }), '1'),
    ],
    [
      'lacks a blob in this repository',
      404,
      'MANIFEST_BLOB_UNKNOWN',
      async () => pushManifest(await manifestOf(), '1', mediaType.manifest, 'other'),
    ],
    [
      'gives a blob another size',
      404,
      'MANIFEST_BLOB_UNKNOWN',
      async () =>
        pushManifest(
          await manifestOf({ layers: [{ mediaType: 'a/b', digest: await pushBlob(), size: 11 }] }),
          '1',
        ),
    ],
    [
      'is an index without its manifests',
      404,
      'MANIFEST_BLOB_UNKNOWN',
      async () =>
        pushManifest(
          printIndex({
            schemaVersion: 2,
            mediaType: mediaType.index,
            manifests: [{ mediaType: mediaType.manifest, digest: missing, size: 1 }],
          }),
          '1',
          mediaType.index,
        ),
    ],
  ])('one that %s is refused: %i %s', async (_, status, code, push) => {
    expect(await push()).toMatchObject({ status, code, hint: expect.stringMatching(/\S{2}/) })
    expect((await call('GET', '/v2/app/manifests/1')).code).toBe('MANIFEST_UNKNOWN')
    expect(registry.stored).toEqual([])
  })

  test('one pushed by digest may bring tags', async () => {
    const manifest = await manifestOf()
    const put = await pushManifest(manifest, `${digestOf(manifest)}?tag=a&tag=b`)
    expect(put).toMatchObject({ status: 201, headers: { 'oci-tag': 'a, b' } })
    expect((await call('GET', '/v2/app/manifests/b')).headers['docker-content-digest']).toBe(
      digestOf(manifest),
    )
  })

  test('one that rotted on disk is not served, and pushing it again mends it', async () => {
    const manifest = await manifestOf()
    await pushManifest(manifest, '1.0.0')
    writeFileSync(store.blobs.path(digestOf(manifest)), '{}')
    expect((await call('GET', '/v2/app/manifests/1.0.0')).status).toBe(500)
    expect(registry.errors).toMatchObject([{ code: 'internal', cause: { code: 'digest-mismatch' } }])
    await pushManifest(manifest, '1.0.0')
    expect((await call('GET', '/v2/app/manifests/1.0.0')).status).toBe(200)
  })
})

describe('tags', () => {
  test('are write-once: the same digest again is fine, another is refused with the reason', async () => {
    const manifest = await manifestOf()
    await pushManifest(manifest, '1.0.0')
    expect((await pushManifest(manifest, '1.0.0')).status).toBe(201)
    const other = await pushManifest(await manifestOf({ annotations: { a: 'b' } }), '1.0.0')
    expect(other).toMatchObject({ status: 409, code: 'DENIED' })
    expect(JSON.parse(other.text).errors[0]).toMatchObject({
      message: `tag 1.0.0 of app is write-once: it names ${digestOf(manifest)} and is not moved`,
      detail: { reason: 'tag-immutable' },
    })
    for (const of of ['1.0.0', digestOf(manifest)])
      expect((await call('DELETE', `/v2/app/manifests/${of}`)).status, of).toBe(409)
    expect((await call('GET', '/v2/app/manifests/1.0.0')).status).toBe(200)
  })

  const hex = 'ab'.repeat(32)
  test.each([
    ['app', `sha256-${hex}`, true],
    ['app', `sha256-${hex}.sig`, true],
    ['app', `sha256-${hex}.att`, true],
    ['app', `sha256-${hex}.sbom`, true],
    ['app', `sha256-${hex}.exe`, false],
    ['app', `sha256-${hex}0`, false],
    ['app', 'latest', false],
    ['loose', 'latest', true],
  ])('in %s, tag %s may be moved and removed: %s', async (repository, tag, may) => {
    const put = async (more: object) =>
      (await pushManifest(await manifestOf(more, repository), tag, mediaType.manifest, repository)).status
    await put({})
    expect(await put({ annotations: { a: 'b' } })).toBe(may ? 201 : 409)
    expect((await call('DELETE', `/v2/${repository}/manifests/${tag}`)).status).toBe(may ? 202 : 409)
    expect((await call('GET', `/v2/${repository}/manifests/${tag}`)).status).toBe(may ? 404 : 200)
  })

  test('are listed in order, in pages', async () => {
    const manifest = await manifestOf()
    for (const tag of ['c', 'a', 'd', 'b']) await pushManifest(manifest, tag)
    expect(JSON.parse((await call('GET', '/v2/app/tags/list')).text)).toEqual({
      name: 'app',
      tags: ['a', 'b', 'c', 'd'],
    })
    const page = await call('GET', '/v2/app/tags/list?n=2&last=a')
    expect(JSON.parse(page.text).tags).toEqual(['b', 'c'])
    expect(page.headers.link).toBe('</v2/app/tags/list?n=2&last=c>; rel="next"')
    const end = await call('GET', '/v2/app/tags/list?n=2&last=b')
    expect(end.headers.link).toBeUndefined()
    expect(JSON.parse((await call('GET', '/v2/app/tags/list?n=0')).text).tags).toEqual([])
    expect((await call('GET', '/v2/app/tags/list?n=-1')).status).toBe(400)
    expect((await call('GET', '/v2/nothing/tags/list')).code).toBe('NAME_UNKNOWN')
  })
})

describe('referrers', () => {
  test('are listed with type and annotations, and filtered', async () => {
    const subject = { mediaType: mediaType.manifest, digest: missing, size: 7 }
    const annotations = { 'dev.sigstore.bundle.content': 'dsse-envelope' }
    const bundle = await manifestOf({ artifactType: mediaType.bundle, subject, annotations })
    const put = await pushManifest(bundle, digestOf(bundle))
    expect(put.headers['oci-subject']).toBe(missing)
    await pushManifest(await manifestOf({ subject }), 'other')
    const all = await call('GET', `/v2/app/referrers/${missing}`)
    expect(all.headers['content-type']).toBe(mediaType.index)
    expect(JSON.parse(all.text).manifests.map((m: { artifactType: string }) => m.artifactType)).toEqual([
      mediaType.bundle,
      mediaType.empty,
    ])
    const query = `?artifactType=${encodeURIComponent(mediaType.bundle)}`
    const some = await call('GET', `/v2/app/referrers/${missing}${query}`)
    expect(some.headers['oci-filters-applied']).toBe('artifactType')
    expect(JSON.parse(some.text).manifests).toEqual([
      {
        mediaType: mediaType.manifest,
        digest: digestOf(bundle),
        size: bundle.length,
        annotations,
        artifactType: mediaType.bundle,
      },
    ])
    expect(JSON.parse((await call('GET', `/v2/else/referrers/${missing}`)).text).manifests).toEqual([])
    expect((await call('GET', '/v2/app/referrers/nonsense')).code).toBe('DIGEST_INVALID')
  })
})

describe('addresses', () => {
  test.each([
    ['/v2/UPPER/tags/list', 400, 'NAME_INVALID'],
    ['/v2/a/../b/tags/list', 400, 'NAME_INVALID'],
    ['/v2/a%2f..%2fb/tags/list', 400, 'NAME_INVALID'],
    ['/v2/%zz/tags/list', 404, 'UNSUPPORTED'],
    ['/v2/app', 404, 'UNSUPPORTED'],
    [`/v2/${'a'.repeat(5_000)}/tags/list`, 404, 'UNSUPPORTED'],
    ['/v2/app/blobs/sha256:..%2f..%2fx', 404, 'UNSUPPORTED'],
    ['/v2/app/blobs/sha512:abc', 400, 'DIGEST_INVALID'],
  ])('%s: %i %s', async (path, status, code) => {
    // Sent as it is: a URL parser would take the dots out.
    const { port } = new URL(registry.url)
    const socket = createConnection(Number(port), '127.0.0.1')
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${basic('writer')}\r\n\r\n`,
    )
    const answer = Buffer.concat(await socket.toArray()).toString()
    expect(answer.split(' ')[1]).toBe(String(status))
    expect(answer).toContain(code)
    expect(answer).toMatch(/"hint":"\S{2}/)
  })
})
