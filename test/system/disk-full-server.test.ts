import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Digest, mediaType } from '../../src/core/index.ts'
import { collect, digestOf, openRemoteRepository, streamOf } from '../../src/oci/index.ts'
import { type RunningServer, startServer } from '../../src/server/index.ts'
import { generateKeyPair, loadPrivateKey } from '../../src/sign/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { fleetOf, releaseFixture } from '../../src/testing/index.ts'
import { clientOf, enrolAt } from './server-parts.ts'
import { type SmallDisk, smallDisk } from './small-disk.ts'

let disk: SmallDisk
let server: RunningServer
let token: string
let errors: unknown[]
const key = generateKeyPair()

async function start(): Promise<void> {
  errors = []
  server = await startServer({
    sys: realSys,
    dataFolder: join(disk.folder, 'server'),
    listen: { host: '127.0.0.1', port: 0 },
    directorKey: loadPrivateKey(key.privateKey),
    onError: (error) => errors.push(error),
  })
  token = server.adminToken ?? token
}
const client = () => clientOf(server, `Bearer ${token}`)
const repository = (name: string) =>
  openRemoteRepository(realSys, { url: server.url, name, credential: () => `Bearer ${token}` })
const incoming = () => readdirSync(join(disk.folder, 'server/store/incoming'))

beforeEach(async () => {
  disk = smallDisk(24)
  await start()
})
afterEach(async () => {
  await server.close()
  disk.remove()
})

async function pushBlob(bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes)
  await repository('images').blobs.write(digest, bytes.length, streamOf(bytes))
  return digest
}

test('a blob that does not fit is refused by code, leaves nothing, and fits when there is room', async () => {
  const large = Buffer.alloc(40 * 1024 * 1024, 'large')
  await expect(pushBlob(large)).rejects.toMatchObject({ code: 'disk-full' })
  expect(incoming()).toEqual([])
  disk.fill()
  const small = Buffer.alloc(2 * 1024 * 1024, 'small')
  await expect(pushBlob(small)).rejects.toMatchObject({ code: 'disk-full' })
  expect(incoming()).toEqual([])
  disk.empty()
  const digest = await pushBlob(small)
  expect(await repository('images').blobs.stat(digest)).toEqual({ sizeBytes: small.length })
})

test('an upload in pieces that fills the disk is given up, and its room is free at once', async () => {
  const call = async (method: string, path: string, body?: Buffer) => {
    const {
      status,
      headers,
      body: answer,
    } = await realSys.net.request({
      ...{ method, url: `${server.url}${path}`, headers: { authorization: `Bearer ${token}` } },
      ...(body && { body }),
    })
    const text = Buffer.from(await collect(answer, 10_000)).toString()
    return { status, headers, reason: text === '' ? '' : JSON.parse(text).errors[0].detail.reason }
  }
  const { headers } = await call('POST', '/v2/images/blobs/uploads/')
  const place = headers.location ?? ''
  const piece = Buffer.alloc(10 * 1024 * 1024, 'piece by piece')
  for (const status of [202, 202]) expect(await call('PATCH', place, piece)).toMatchObject({ status })
  expect(await call('PATCH', place, piece)).toMatchObject({ status: 507, reason: 'disk-full' })
  expect(await call('GET', place)).toMatchObject({ status: 404, reason: 'upload-unknown' })
  expect(incoming()).toEqual([])
  const digest = await pushBlob(piece)
  expect(await repository('images').blobs.stat(digest)).toEqual({ sizeBytes: piece.length })
})

test('a manifest that does not fit is refused by code, and can be pushed when there is room', async () => {
  const blob = await pushBlob(Buffer.from('{}'))
  const config = { mediaType: mediaType.config, digest: blob, size: 2 }
  const manifest = (note: string) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaType.manifest,
        config,
        layers: [],
        annotations: { note },
      }),
    )
  await repository('images').putManifest(manifest('one'), mediaType.manifest, 'one')
  disk.fill()
  const two = () => repository('images').putManifest(manifest('two'), mediaType.manifest, 'two')
  await expect(two()).rejects.toMatchObject({ code: 'disk-full' })
  expect(await repository('images').tags()).toEqual(['one'])
  disk.empty()
  await two()
  expect(await repository('images').tags()).toEqual(['one', 'two'])
})

test('what the database cannot take is refused with 507; what was acknowledged is there; it goes on without a restart', async () => {
  const apply = (name: string) => client().apply(fleetOf(name, { site: name }, [{ count: 1 }]))
  await apply('f-0')
  disk.fill()
  const acknowledged = ['f-0']
  const refusals: unknown[] = []
  // What SQLite has of its own takes some rows yet.
  for (let n = 1; n <= 400 && refusals.length < 3; n++)
    await apply(`f-${n}`).then(
      () => acknowledged.push(`f-${n}`),
      (error: unknown) => refusals.push(error),
    )
  expect(refusals).toMatchObject(Array(3).fill({ code: 'disk-full', status: 507 }))
  const names = async () => (await client().list('Fleet')).map(({ metadata }) => metadata.name)
  expect((await names()).toSorted()).toEqual(acknowledged.toSorted())
  disk.empty()
  await apply('after')
  expect((await names()).toSorted()).toEqual([...acknowledged, 'after'].toSorted())
  let last = 0
  for (const { sequence } of await client().log(0, 1_000)) expect(sequence).toBe(++last)
  // As the file has it, too.
  await server.close()
  await start()
  expect((await names()).toSorted()).toEqual([...acknowledged, 'after'].toSorted())
})

test('a server that finds the disk full when it starts says so, and starts when there is room', async () => {
  await client().apply(fleetOf('f-0', { site: 'x' }, [{ count: 1 }]))
  await server.close()
  disk.fill()
  await start().catch((error: unknown) => expect(error).toMatchObject({ code: 'disk-full' }))
  disk.empty()
  await server.close()
  await start()
  expect(await client().list('Fleet')).toHaveLength(1)
})

test('a rollout whose next order cannot be written is gone on with by itself when there is room', async () => {
  const node = await enrolAt(server, client(), 'node-1', { site: 'x' })
  await client().apply(fleetOf('plants', { site: 'x' }, [{ count: 1 }]))
  const first = await releaseFixture(repository('gateway'), { version: '1.0.0' })
  const { metadata } = await client().startRollout({ fleet: 'plants', release: first.digest })
  const answer = await node.next(5)
  node.running = first.digest
  disk.fill()
  const outcome = { order: answer?.order ?? node.order, release: first.digest, is: 'confirmed' } as const
  const said = async () => {
    for (let n = 0; n < 400; n++)
      await node.report({ ...outcome, reason: { code: 'x', message: `${n}`.padEnd(900) } })
  }
  await expect(said()).rejects.toMatchObject({ code: 'disk-full' })
  disk.empty()
  await node.report(outcome)
  await vi.waitFor(
    async () => expect((await client().get('Rollout', metadata.name)).status.phase).toBe('succeeded'),
    20_000,
  )
})
