import { readdirSync } from 'node:fs'
import * as http from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { carryOut } from '../../src/agent/index.ts'
import { type Digest, mediaType } from '../../src/core/index.ts'
import { collect, digestOf, printIndex, printManifest, readRelease, streamOf } from '../../src/oci/index.ts'
import { noPlatform } from '../../src/oci/release.ts'
import { realSys } from '../../src/sys/index.ts'
import { nodeFixture, releaseFixture } from '../../src/testing/index.ts'
import { KillableServer } from './killable-server.ts'
import { type SmallDisk, smallDisk } from './small-disk.ts'

const megabyte = 1024 * 1024
/** What a request may cost in memory, however large it is: buffers on the way, and what the collector has not taken yet. */
const growthMax = 96 * megabyte
const outer = process.env.TMPDIR
let disk: SmallDisk
let server: KillableServer

beforeAll(async () => {
  disk = smallDisk(160)
  process.env.TMPDIR = disk.folder
  server = new KillableServer()
  await server.prepare()
  await server.start()
  // What it takes to have served anything at all.
  await releaseFixture(server.repository('gateway'), {})
})
afterAll(async () => {
  await server.kill()
  server.remove()
  if (outer === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = outer
  disk.remove()
})

/** Bytes without end, and how many were taken. */
function endless() {
  const piece = Buffer.alloc(megabyte, 'endless')
  const sent = { bytes: 0 }
  async function* bytes() {
    for (;;) {
      sent.bytes += piece.length
      yield piece
    }
  }
  return { bytes: bytes(), sent }
}

interface Answer {
  readonly status: number
  readonly reason: string
}

async function send(
  method: string,
  path: string,
  body?: AsyncIterable<Uint8Array>,
  type = 'application/octet-stream',
): Promise<Answer & { place: string }> {
  const {
    status,
    headers,
    body: answer,
  } = await realSys.net.request({
    ...{ method, url: server.url + path },
    headers: { authorization: server.credential, 'content-type': type },
    ...(body && { body }),
  })
  const text = Buffer.from(await collect(answer, megabyte)).toString()
  return { status, place: headers.location ?? '', reason: text === '' ? '' : reasonIn(text) }
}

function reasonIn(text: string): string {
  const { errors, error } = JSON.parse(text) as {
    errors?: { detail: { reason: string } }[]
    error?: { code: string }
  }
  return errors?.[0]?.detail.reason ?? error?.code ?? ''
}

/** Only says how long its body is, and sends none of it. */
function announce(method: string, path: string, contentLength: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: server.credential,
      'content-type': mediaType.manifest,
      'content-length': contentLength,
    }
    const request = http.request(server.url + path, { method, headers }, (response) => {
      void collect(response, megabyte).then((bytes) => {
        request.destroy()
        resolve({ status: response.statusCode ?? 0, reason: reasonIn(Buffer.from(bytes).toString()) })
      })
    })
    request.once('error', reject)
    request.flushHeaders()
  })
}

async function boundedIn<T>(work: () => Promise<T>): Promise<T> {
  const before = server.residentBytesMax
  const result = await work()
  expect(server.residentBytesMax - before).toBeLessThan(growthMax)
  return result
}

const begin = async () => (await send('POST', '/v2/images/blobs/uploads/')).place
const incoming = () => readdirSync(join(server.folder, 'store/incoming'))

test('a blob or manifest that says it is too large is refused before any of it is sent', async () => {
  const huge = 33 * 1024 ** 3
  expect(await announce('PUT', `${await begin()}?digest=${digestOf('')}`, huge)).toEqual({
    status: 413,
    reason: 'size-invalid',
  })
  expect(await announce('PATCH', await begin(), huge)).toEqual({ status: 413, reason: 'size-invalid' })
  expect(await announce('PUT', '/v2/images/manifests/large', 5 * megabyte)).toEqual({
    status: 413,
    reason: 'size-invalid',
  })
})

test('a blob without end is refused when the disk is full, gives it back, and costs no memory', async () => {
  const { bytes, sent } = endless()
  const { status, reason } = await boundedIn(async () => send('PATCH', await begin(), bytes))
  expect([status, reason]).toEqual([507, 'disk-full'])
  expect(sent.bytes).toBeGreaterThan(64 * megabyte)
  expect(incoming().length).toBeLessThan(4)
})

test('a manifest without end is refused, and costs no memory', async () => {
  const { status, reason } = await boundedIn(() =>
    send('PUT', '/v2/images/manifests/endless', endless().bytes, mediaType.manifest),
  )
  expect([status, reason]).toEqual([413, 'size-invalid'])
})

test('a body without end to the API is refused, and costs no memory', async () => {
  const refused = boundedIn(() => send('PUT', '/v1/fleets/x', endless().bytes, 'application/json'))
  // The framework may cut the line before its answer is read; it has no other choice.
  const answer = await refused.catch((error: unknown) => error)
  expect(answer).toMatchObject(
    answer instanceof Error ? { code: 'connection-failed' } : { status: 413, reason: 'request-invalid' },
  )
})

test('a body that is shorter, or longer, than it says stores nothing', async () => {
  const whole = Buffer.from('what is sent')
  const place = await begin()
  const { hostname, port } = new URL(server.url)
  const raw = (length: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname)
      const head = `PUT ${place}?digest=${digestOf(whole)} HTTP/1.1\r\nhost: x\r\nauthorization: ${server.credential}\r\ncontent-length: ${length}\r\n\r\n`
      let text = ''
      socket
        .on('data', (chunk) => (text += chunk))
        .once('error', reject)
        .once('close', () => resolve(text))
      socket.write(head)
      socket.end(whole)
    })
  expect(await raw(whole.length + 5)).not.toContain('201 Created')
  expect(await server.repository('images').blobs.stat(digestOf(whole))).toBeUndefined()
  expect(await raw(whole.length - 5)).not.toContain('201 Created')
  expect(await server.repository('images').blobs.stat(digestOf(whole))).toBeUndefined()
})

test('a release document that unpacks to far more than one may have is no release, and costs no memory', async () => {
  const images = server.repository('bomb')
  const put = async (bytes: Uint8Array, type: string) => {
    await images.blobs.write(digestOf(bytes), bytes.length, streamOf(bytes))
    return { mediaType: type, digest: digestOf(bytes), size: bytes.length }
  }
  const bomb = gzipSync(Buffer.alloc(128 * megabyte, 32))
  expect(bomb.length).toBeLessThan(megabyte)
  const manifest = printManifest({
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: mediaType.release,
    config: await put(Buffer.from('{}'), mediaType.empty),
    layers: [await put(bomb, mediaType.releaseDocument)],
  })
  const entry = {
    mediaType: mediaType.manifest,
    digest: await images.putManifest(manifest, mediaType.manifest),
    size: manifest.length,
  }
  const index = printIndex({
    schemaVersion: 2,
    mediaType: mediaType.index,
    manifests: [{ ...entry, platform: noPlatform }],
  })
  const digest: Digest = await boundedIn(() => images.putManifest(index, mediaType.index))
  expect((await server.admin.list('Release')).map(({ spec }) => spec.digest)).not.toContain(digest)
  await expect(readRelease(images, digest)).rejects.toMatchObject({ code: 'release-malformed' })
})

test('a root image that unpacks to far more than was signed for is refused by the node, which writes no more than that', async () => {
  const at = await nodeFixture()
  await at.fresh()
  const node = at.node(realSys, 'a', at.first)
  const bomb = zstdCompressSync(Buffer.alloc(64 * megabyte))
  // A frame that asks for a window of 2 GiB.
  const window = Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3]),
    Buffer.from([0x03, 0x00, 0x10, 0x41]),
  ])
  for (const packed of [bomb, window]) {
    const disk = (await readRelease(at.repository, at.second.digest)).disk('amd64')
    if (disk === undefined) throw new Error('the fixture has a disk')
    const repository = {
      ...at.repository,
      blobs: {
        ...at.repository.blobs,
        readFrom: (wanted: Digest, from: number) =>
          wanted === disk.root.digest
            ? Readable.from([padded(packed, disk.root.size).subarray(from)])
            : at.repository.blobs.readFrom(wanted, from),
      },
    }
    const assignment = { ...at.order(at.second), beginUntil: 2_000_000_000_000 }
    const state = await node.memory.write({
      revision: 0,
      order: assignment.order,
      seenAt: 0,
      work: { assignment, begun: true },
    })
    const before = process.memoryUsage().rss
    const applied = await carryOut({ node, repository, now: 0, onPhase: () => undefined }, state, {
      assignment,
      begun: true,
    })
    expect(applied).toMatchObject({
      is: 'refused',
      reason: { code: expect.stringMatching(/-digest-mismatch$/) },
    })
    expect(process.memoryUsage().rss - before).toBeLessThan(growthMax)
    expect((await node.slots.read()).held.b).toBeUndefined()
  }
  at.remove()
})

/** As long as the blob that it takes the place of; what is longer is cut. */
function padded(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, length - bytes.length))]).subarray(0, length)
}
