import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '../core/index.ts'
import { type ContentStore, digestOf, openContentStore } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { basic, type TestRegistry, testRegistry } from '../testing/index.ts'
import { uploadIdleMs, uploadsMax } from './limits.ts'

let folder: string
let store: ContentStore
let registry: TestRegistry

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-registry-'))
  store = await openContentStore(realSys, folder)
  registry = await testRegistry(store)
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

describe('blobs and uploads', () => {
  test('are pushed in one request, and read', async () => {
    await pushBlob()
    const head = await call('HEAD', `/v2/app/blobs/${digest}`)
    expect(head).toMatchObject({ status: 200, text: '', headers: { 'content-length': '10' } })
    const got = await call('GET', `/v2/app/blobs/${digest}`)
    expect(got.text).toBe('0123456789')
    expect(got.headers['docker-content-digest']).toBe(digest)
    expect((await call('GET', `/v2/other/blobs/${digest}`)).code).toBe('BLOB_UNKNOWN')
  })

  test.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
    ['bytes=-', 200, '0123456789', undefined],
  ])('range %s: %i %s', async (range, status, text, contentRange) => {
    await pushBlob()
    const answer = await call('GET', `/v2/app/blobs/${digest}`, undefined, { range })
    expect(answer).toMatchObject({ status, text })
    expect(answer.headers['content-range']).toBe(contentRange)
  })

  test.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])('range %s cannot be satisfied', async (range) => {
    await pushBlob()
    const answer = await call('GET', `/v2/app/blobs/${digest}`, undefined, { range })
    expect(answer).toMatchObject({ status: 416, headers: { 'content-range': 'bytes */10' } })
  })

  test('are pushed in chunks, in order, and the upload tells how far it is', async () => {
    const { status, headers } = await call('POST', '/v2/app/blobs/uploads/')
    expect(status).toBe(202)
    const at = headers.location ?? ''
    const chunk = (range: string, body: string) => call('PATCH', at, body, { 'content-range': range })
    expect(await chunk('0-3', '0123')).toMatchObject({ status: 202, headers: { range: '0-3' } })
    expect(await chunk('5-6', '56')).toMatchObject({ status: 416, headers: { range: '0-3', location: at } })
    expect(await chunk('4-9', '45')).toMatchObject({ status: 416 })
    expect(await chunk('nonsense', '45')).toMatchObject({ status: 416 })
    expect(await call('GET', at)).toMatchObject({ status: 204, headers: { range: '0-3' } })
    expect(await chunk('4-7', '4567')).toMatchObject({ status: 202, headers: { range: '0-7' } })
    expect(await call('PUT', at, '89')).toMatchObject({ status: 400, code: 'DIGEST_INVALID' })
    expect(await call('PUT', `${at}?digest=${digest}`, '89')).toMatchObject({ status: 201 })
    expect((await call('GET', `/v2/app/blobs/${digest}`)).text).toBe('0123456789')
    expect((await call('GET', at)).code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  test('that are not what they are said to be are not stored', async () => {
    const wrong = await call('POST', `/v2/app/blobs/uploads/?digest=${missing}`, bytes)
    expect(wrong).toMatchObject({ status: 400, code: 'DIGEST_INVALID' })
    const { headers } = await call('POST', '/v2/app/blobs/uploads/')
    expect((await call('PUT', `${headers.location}?digest=${missing}`, bytes)).status).toBe(400)
    expect((await call('POST', '/v2/app/blobs/uploads/?digest=sha256:x', bytes)).code).toBe('DIGEST_INVALID')
    expect(readdirSync(join(folder, 'blobs/sha256'))).toEqual([])
    expect(readdirSync(join(folder, 'incoming'))).toEqual([])
  })

  test('an upload that was cut is gone on with', async () => {
    const { headers } = await call('POST', '/v2/app/blobs/uploads/')
    const at = headers.location ?? ''
    const { port } = new URL(registry.url)
    const socket = createConnection(Number(port), '127.0.0.1')
    const head = `PATCH ${at} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('writer')}\r\nContent-Length: 10\r\n\r\n`
    socket.write(`${head}01234`)
    const progress = async () => (await call('GET', at)).headers.range
    await expect.poll(progress).toBe('0-4')
    socket.destroy()
    await once(socket, 'close')
    await expect.poll(async () => (await call('PATCH', at, '56789')).status).toBe(202)
    expect((await call('PUT', `${at}?digest=${digest}`)).status).toBe(201)
    expect(registry.errors).toEqual([])
  })

  test('one request at a time writes to an upload', async () => {
    const { headers } = await call('POST', '/v2/app/blobs/uploads/')
    const at = headers.location ?? ''
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    async function* slowly() {
      yield Buffer.from('01234')
      await held
      yield Buffer.from('56789')
    }
    const url = `${registry.url}${at}`
    const slow = realSys.net.request({
      method: 'PATCH',
      url,
      headers: { authorization: basic('writer') },
      body: slowly(),
    })
    await expect.poll(async () => (await call('GET', at)).headers.range).toBe('0-4')
    for (const method of ['PATCH', 'DELETE'])
      expect(await call(method, at), method).toMatchObject({ status: 409, code: 'BLOB_UPLOAD_INVALID' })
    expect((await call('PUT', `${at}?digest=${digest}`, 'x')).status).toBe(409)
    release()
    expect((await slow).status).toBe(202)
    expect((await call('PUT', `${at}?digest=${digest}`)).status).toBe(201)
  })

  test('an upload is cancelled', async () => {
    const { headers } = await call('POST', '/v2/app/blobs/uploads/')
    const at = headers.location ?? ''
    expect((await call('DELETE', at)).status).toBe(204)
    expect((await call('PATCH', at, 'x')).status).toBe(404)
    expect(readdirSync(join(folder, 'incoming'))).toEqual([])
  })

  test('uploads are limited, and idle ones make room', async () => {
    for (let i = 0; i < uploadsMax; i++) await call('POST', '/v2/app/blobs/uploads/')
    expect(await call('POST', '/v2/app/blobs/uploads/')).toMatchObject({
      status: 429,
      code: 'TOOMANYREQUESTS',
    })
    registry.aheadMs = uploadIdleMs + 60_000
    expect((await call('POST', '/v2/app/blobs/uploads/')).status).toBe(202)
    expect(readdirSync(join(folder, 'incoming'))).toHaveLength(1)
  })

  test('are not deleted by request', async () => {
    await pushBlob()
    expect((await call('DELETE', `/v2/app/blobs/${digest}`)).status).toBe(405)
  })
})
