import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../api/index.ts'
import { noProgress } from '../core/index.ts'
import { collect, openRemoteRepository } from '../oci/index.ts'
import { generateKeyPair, loadPrivateKey } from '../sign/index.ts'
import { realSys } from '../sys/index.ts'
import { fleetOf, releaseFixture } from '../testing/index.ts'
import { checkServer, type RunningServer, startServer } from './index.ts'

let folder: string
let token: string
const key = loadPrivateKey(generateKeyPair().privateKey)
const path = (name: string) => join(folder, name)
const start = (host = '127.0.0.1') =>
  startServer({
    ...{ sys: realSys, dataFolder: folder, listen: { host, port: 0 }, directorKey: key },
    ...(host === '0.0.0.0' && { advertise: ['127.0.0.1'] }),
    onError: () => undefined,
  })
const client = ({ url }: RunningServer) =>
  createClient({ net: realSys.net, url, credential: () => `Bearer ${token}` })
const repository = ({ url }: RunningServer) =>
  openRemoteRepository(realSys, { url, name: 'gateway', credential: () => `Bearer ${token}` })
const codes = async () =>
  (await checkServer(realSys, folder, { progress: noProgress }))?.faults.map(({ code }) => code) ?? []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-damage-'))
  const server = await start()
  token = server.adminToken ?? ''
  for (let n = 0; n < 60; n++) await client(server).apply(fleetOf(`f-${n}`, { site: 'x' }, [{ count: 1 }]))
  await releaseFixture(repository(server), { tag: '1.0.0' })
  await server.close()
})
afterEach(() => rmSync(folder, { recursive: true }))

function overwrite(file: string, at: number, length: number): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(length, 0xa5), 0, length, at)
  closeSync(handle)
}

/** Makes a change to the database as somebody from outside would. */
function alter(sql: string): void {
  const database = new DatabaseSync(path('ashlar.db'))
  database.exec(`PRAGMA foreign_keys = OFF; ${sql}`)
  database.close()
}

describe('a database', () => {
  test('that is as it was left is found good', async () => {
    expect(await codes()).toEqual([])
  })

  test.each([
    [
      'of which a page was overwritten',
      () => overwrite(path('ashlar.db'), 8 * 4096, 4096),
      'database-corrupt',
    ],
    ['whose head was overwritten', () => overwrite(path('ashlar.db'), 0, 100), 'database-corrupt'],
    [
      'that was cut in half',
      () => truncateSync(path('ashlar.db'), statSync(path('ashlar.db')).size / 2),
      'database-corrupt',
    ],
    ['that is none', () => writeFileSync(path('ashlar.db'), 'x'.repeat(10_000)), 'database-corrupt'],
    ['that a newer Ashlar wrote', () => alter('PRAGMA user_version = 999'), 'database-too-new'],
  ])('%s is not opened, and ashlar fsck says why', async (_, damage, code) => {
    damage()
    const before = readFileSync(path('ashlar.db'))
    const why = await start().catch((error: unknown) => error)
    expect(why).toMatchObject({ code, where: path('ashlar.db') })
    if (code === 'database-corrupt')
      expect(why).toMatchObject({ hint: expect.stringContaining('ashlar fsck') })
    // Said once by SQLite's check, or once a broken page.
    expect(new Set(await codes())).toEqual(new Set([code]))
    expect(readFileSync(path('ashlar.db'))).toEqual(before)
  })

  test.each([
    ['of which a log row was taken away', 'DELETE FROM log WHERE sequence = 5', 'log-broken'],
    ['whose last log rows were taken away', 'DELETE FROM log WHERE sequence > 20', 'log-broken'],
    ['with a tag that names nothing', "UPDATE registry_tags SET digest = 'sha256:0'", 'reference-broken'],
    ['with a resource that is none', "UPDATE resources SET json = '{}' WHERE name = 'f-1'", 'row-malformed'],
  ])('%s is found wrong', async (_, sql, code) => {
    alter(sql)
    expect(await codes()).toContain(code)
  })

  test('whose journal was cut by a crash keeps all that was whole in it', async () => {
    const server = await start()
    await client(server).apply(fleetOf('late', { site: 'x' }, [{ count: 1 }]))
    const wal = readFileSync(path('ashlar.db-wal'))
    await server.close()
    // The last frame lacks its second half.
    writeFileSync(path('ashlar.db-wal'), wal.subarray(0, wal.length - 2_000))
    const again = await start()
    expect((await client(again).list('Fleet')).length).toBeGreaterThanOrEqual(60)
    await client(again).apply(fleetOf('later', { site: 'x' }, [{ count: 1 }]))
    await again.close()
    expect(await codes()).toEqual([])
  })
})

test('beside a damaged blob all others are served, and whoever asks for it notices', async () => {
  const server = await start()
  const [entry] = await client(server).list('Release')
  const release = await repository(server).manifest(entry?.spec.digest ?? '')
  const digests = [
    ...Buffer.from(release?.bytes ?? [])
      .toString()
      .matchAll(/sha256:[0-9a-f]{64}/g),
  ].map(String)
  const check = await checkServer(realSys, folder, { progress: noProgress })
  const blobs = [...(check?.store.good ?? [])].filter(([digest]) => !digests.includes(digest))
  const [damaged] = blobs.toSorted(([, a], [, b]) => b - a)[0] ?? []
  if (damaged === undefined) throw new Error('the fixture has blobs')
  overwrite(path(`store/blobs/sha256/${damaged.slice(7)}`), 100, 1)
  await expect(collect(repository(server).blobs.read(damaged), 10_000_000)).rejects.toMatchObject({
    code: 'digest-mismatch',
  })
  for (const [digest] of blobs)
    if (digest !== damaged && (await repository(server).blobs.stat(digest)) !== undefined)
      await collect(repository(server).blobs.read(digest), 10_000_000)
  await server.close()
})

describe('an authority', () => {
  beforeEach(async () => (await start('0.0.0.0')).close())

  test.each([
    ['whose certificate is garbage', () => writeFileSync(path('authority.pem'), 'garbage')],
    ['whose key is garbage', () => writeFileSync(path('authority.key'), 'garbage')],
    ['whose key is gone', () => rmSync(path('authority.key'))],
    ['with the key of another', () => writeFileSync(path('authority.key'), generateKeyPair().privateKey)],
  ])('%s is not replaced: every node would be cut off', async (_, damage) => {
    damage()
    const files = () =>
      ['authority.pem', 'authority.key'].map((name) =>
        statSync(path(name), { throwIfNoEntry: false }) ? readFileSync(path(name), 'utf8') : '',
      )
    const before = files()
    await expect(start('0.0.0.0')).rejects.toMatchObject({ code: 'authority-damaged' })
    expect(files()).toEqual(before)
    expect(await codes()).toEqual(['authority-damaged'])
  })

  test('of which a kill left a half-written key is found to have one, until the next start takes it away', async () => {
    const left = path('authority.key.0123456789abcdef.tmp')
    writeFileSync(left, '-----BEGIN')
    expect(await codes()).toEqual(['leftover'])
    const server = await start()
    expect(existsSync(left)).toBe(false)
    // As if this one were writing it: a second server has no right to it, and fsck says nothing.
    writeFileSync(left, '-----BEGIN')
    await expect(start()).rejects.toMatchObject({ code: 'database-in-use' })
    expect([existsSync(left), await codes()]).toEqual([true, []])
    await server.close()
  })

  test('stays when the certificate that it issued cannot be read: that is made anew', async () => {
    writeFileSync(path('server.pem'), 'garbage')
    const before = readFileSync(path('authority.pem'))
    await (await start('0.0.0.0')).close()
    expect(readFileSync(path('authority.pem'))).toEqual(before)
  })
})
