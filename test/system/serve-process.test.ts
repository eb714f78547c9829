import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createClient } from '../../src/api/index.ts'
import { openRemoteRepository } from '../../src/oci/index.ts'
import { generateKeyPair } from '../../src/sign/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { fleetOf, releaseFixture } from '../../src/testing/index.ts'
import { smallDisk } from './small-disk.ts'

const root = resolve(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'ashlar-serve-'))
const data = join(work, 'data')
const key = join(work, 'director.key')
const address = '127.0.0.1:17480'
let token = ''
let child: ChildProcess | undefined

beforeAll(() => {
  execFileSync(join(root, 'script/bundle'))
  writeFileSync(key, generateKeyPair().privateKey, { mode: 0o600 })
})
afterEach(() => child?.kill('SIGKILL'))
afterAll(() => rmSync(work, { recursive: true }))

/** `ashlar serve`, as soon as it serves or has ended. */
async function serve(stderr: number | 'pipe' = 'pipe'): Promise<{ exitCode: number | null; text: string }> {
  const words = ['serve', '--listen', address, '--director-key', key]
  const started = spawn(join(root, 'bin/ashlar'), words, {
    env: { ...process.env, ASHLAR_DATA: data },
    stdio: ['ignore', 'pipe', stderr],
  })
  child = started
  let text = ''
  for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk) => (text += chunk))
  await vi.waitUntil(() => text.includes('serving at') || started.exitCode !== null, {
    timeout: 60_000,
    interval: 20,
  })
  token = /admin token, shown only now: (\S+)/.exec(text)?.[1] ?? token
  return { exitCode: started.exitCode, text }
}

async function end(signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((done) => child?.once('exit', done))
  child?.kill(signal)
  await ended
}
const kill = () => end('SIGKILL')

const credential = () => `Bearer ${token}`
const client = () => createClient({ net: realSys.net, url: `http://${address}`, credential })
const repository = () =>
  openRemoteRepository(realSys, { url: `http://${address}`, name: 'gateway', credential })

test('a server that is killed at work leaves nothing that the next start does not clear, and its address is free', async () => {
  await serve()
  await releaseFixture(repository(), { tag: '1.0.0' })
  const { hostname, port } = new URL(`http://${address}`)
  // An upload that is under way when the power goes.
  const { headers } = await realSys.net.request({
    method: 'POST',
    url: `http://${hostname}:${port}/v2/gateway/blobs/uploads/`,
    headers: { authorization: credential() },
  })
  expect(headers.location).toBeDefined()
  const incoming = () => readdirSync(join(data, 'server/store/incoming'))
  expect(incoming()).toHaveLength(1)
  await kill()
  await serve()
  expect(incoming()).toEqual([])
  expect(await repository().tags()).toEqual(['1.0.0'])
  await kill()
})

test('a log on a full disk ends no server', async () => {
  const disk = smallDisk(8)
  const log = openSync(join(disk.folder, 'serve.log'), 'a')
  try {
    disk.fill()
    await serve(log)
    const [release] = await client().list('Release')
    rmSync(join(data, 'server/store/blobs/sha256', release?.spec.digest.slice(7) ?? ''))
    // Each of these is the server's own fault, and told to its operator.
    for (let n = 0; n < 20; n++)
      await expect(repository().manifest('1.0.0')).rejects.toMatchObject({ code: 'registry-unreachable' })
    expect(readFileSync(join(disk.folder, 'serve.log'), 'utf8')).toBe('')
    await client().apply(fleetOf('still', { site: 'here' }, [{ count: 1 }]))
    disk.empty()
    await expect(repository().manifest('1.0.0')).rejects.toMatchObject({ code: 'registry-unreachable' })
    expect(readFileSync(join(disk.folder, 'serve.log'), 'utf8')).toContain('damaged')
    await kill()
  } finally {
    closeSync(log)
    await vi.waitFor(() => disk.remove(), 10_000)
  }
})

test('a server whose database is damaged ends at once, with words and the way on', async () => {
  await serve()
  // Told to end, it leaves everything in one file.
  await end('SIGTERM')
  const database = join(data, 'server/ashlar.db')
  const good = readFileSync(database)
  writeFileSync(
    database,
    Buffer.concat([good.subarray(0, 4096), Buffer.alloc(4096 * 3, 0xa5), good.subarray(4096 * 4)]),
  )
  const { exitCode, text } = await serve()
  expect(exitCode).toBe(1)
  expect(text).toContain('database-corrupt')
  expect(text).toContain('ashlar fsck')
  expect(existsSync(database)).toBe(true)
  writeFileSync(database, good)
  expect((await serve()).text).toContain('serving at')
  await kill()
})
