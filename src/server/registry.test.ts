import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { digestHex } from '../core/index.ts'
import { digestOf, OciError, openRemoteRepository } from '../oci/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { releaseFixture, type TestServer, testServer } from '../testing/index.ts'

let server: TestServer
afterEach(() => server.close())

const repository = (name: string) =>
  openRemoteRepository(realSys, {
    url: server.url,
    name,
    credential: () => `Bearer ${server.adminToken}`,
  })
const push = (name: string, version: string, tag = version) =>
  releaseFixture(repository(name), { version, tag, rootBytes: 1_000 })
const send = async (method: string, path: string, body?: string) => {
  const headers = { authorization: `Bearer ${server.adminToken}` }
  const response = await realSys.net.request({
    ...{ method, url: server.url + path, headers },
    ...(body !== undefined && { body }),
  })
  const text = Buffer.concat(await Array.fromAsync(response.body)).toString()
  return { status: response.status, headers: response.headers, text }
}

describe('faults of the registry', () => {
  test('reach the operator of the server', async () => {
    server = await testServer()
    const { digest } = await push('gateway', '1.0.0')
    writeFileSync(join(server.folder, 'store/blobs/sha256', digestHex(digest)), '{}')
    expect((await send('GET', '/v2/gateway/manifests/1.0.0')).status).toBe(500)
    expect(server.errors).toMatchObject([{ code: 'internal', cause: { code: 'digest-mismatch' } }])
  })
})

describe('an upload that falls silent', () => {
  test('is cut, and what had arrived is gone on with', async () => {
    const net = { ...realSys.net }
    net.listen = (options, handler) => realSys.net.listen({ ...options, idleTimeoutMs: 300 }, handler)
    const sys: Sys = { ...realSys, net }
    server = await testServer(sys)
    const at = (await send('POST', '/v2/app/blobs/uploads/')).headers.location ?? ''
    const socket = createConnection(Number(new URL(server.url).port), '127.0.0.1')
    const lines = [
      `PATCH ${at} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${server.adminToken}`,
      'Content-Length: 10',
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n01234`)
    await once(socket.resume(), 'close')
    await expect.poll(async () => (await send('PATCH', at, '56789')).status).toBe(202)
    expect((await send('PUT', `${at}?digest=${digestOf('0123456789')}`)).status).toBe(201)
    expect(server.errors).toEqual([])
  })
})

describe('tags', () => {
  const again = (name: string, tag: string) =>
    push(name, '1.0.1', tag).then(
      () => 'moved',
      (error: unknown) => (error instanceof OciError ? error.code : error),
    )

  test.each([
    ['nightly', 'nightly', true],
    ['nightly', 'nightly/x', false],
    ['nightly', 'night', false],
    ['try/*', 'try/gateway', true],
    ['try/*', 'try/a/b', true],
    ['try/*', 'try', false],
    ['try/*', 'retry/gateway', false],
    ['a.b', 'a-b', false],
    ['*', 'anything/at/all', true],
  ])('with --mutable-tags %s, one of %s may be moved: %s', async (pattern, name, may) => {
    server = await testServer(realSys, { mutableTags: ['other', pattern] })
    const { digest } = await push(name, '1.0.0', 'latest')
    const outcome = await again(name, 'latest')
    const found = (await repository(name).manifest('latest'))?.digest
    expect([outcome, found === digest]).toEqual(may ? ['moved', false] : [outcome, true])
  })

  test('are write-once when nothing is said, and the refusal names the option', async () => {
    server = await testServer()
    await push('gateway', '1.0.0', 'latest')
    const bytes = (await repository('gateway').manifest('latest'))?.bytes ?? new Uint8Array()
    const other = Buffer.from(bytes).toString().replace('}', ' }')
    const index = 'application/vnd.oci.image.index.v1+json'
    const response = await realSys.net.request({
      method: 'PUT',
      url: `${server.url}/v2/gateway/manifests/latest`,
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': index },
      body: other,
    })
    const [error] = JSON.parse(Buffer.concat(await Array.fromAsync(response.body)).toString()).errors
    expect(response.status).toBe(409)
    expect(error.detail).toMatchObject({
      reason: 'tag-immutable',
      hint: expect.stringContaining('--mutable-tags gateway'),
    })
  })

  test.each(['', 'UPPER', 'a/../b', '/a', 'a/', '**', 'a b', 'a*'])(
    'a server with the pattern %j does not start',
    async (pattern) => {
      server = await testServer()
      const starting = testServer(realSys, { mutableTags: [pattern] })
      await expect(starting).rejects.toMatchObject({ code: 'name-invalid', hint: expect.any(String) })
    },
  )
})
