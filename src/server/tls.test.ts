import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ApiError, createClient, credentialAudience } from '../api/index.ts'
import { certificateFingerprint, createNodeKey, needsRenewal, nodeCredential } from '../identity/index.ts'
import { generateKeyPair, loadPrivateKey } from '../sign/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type RunningServer, startServer } from './index.ts'
import { openTls } from './tls.ts'

const directorKey = loadPrivateKey(generateKeyPair().privateKey)
let folder = ''
const running: RunningServer[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ashlar-tls-'))
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
  await rm(folder, { recursive: true })
})

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error as { code?: string }).code,
  )
async function start(host: string, more: { advertise?: string[]; newAdminToken?: boolean } = {}) {
  const listen = { host, port: 0 }
  const onError = (error: unknown) => expect.unreachable(String(error))
  const server = await startServer({
    sys: realSys,
    dataFolder: folder,
    listen,
    directorKey,
    onError,
    ...more,
  })
  running.push(server)
  return server
}
const clientOf = (server: RunningServer, ca?: string) =>
  createClient({
    net: realSys.net,
    url: server.url,
    credential: () => `Bearer ${server.adminToken}`,
    ...(ca !== undefined && { ca }),
  })

describe('where a server listens', () => {
  test('away from loopback it speaks TLS alone, from an authority of its own', async () => {
    const server = await start('0.0.0.0', { advertise: ['127.0.0.1'] })
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    const { authority } = server
    expect(await clientOf(server, authority?.pem).list('Node')).toEqual([])
    expect(await codeOf(clientOf(server).list('Node'))).toBe('server-unreachable')
    const plain = { method: 'GET', url: server.url.replace('https', 'http') }
    expect(await codeOf(realSys.net.request(plain))).toBe('connection-failed')
    const { hostname, port } = new URL(server.url)
    const chain = await realSys.net.peerCertificates(hostname, Number(port), 5_000)
    expect(chain.map(certificateFingerprint)).toContain(authority?.fingerprint)
  })

  test('a node’s credential names the authority, and is no good for another', async () => {
    const server = await start('0.0.0.0', { advertise: ['127.0.0.1'] })
    const ca = server.authority?.pem ?? ''
    const { token } = await clientOf(server, ca).createToken({ is: 'enrolment', node: 'n' })
    const key = createNodeKey()
    const { url } = server
    const clientWith = (credential: (method: string, path: string) => Promise<string>) =>
      createClient({ net: realSys.net, url, ca, credential })
    await clientWith(async () => `Bearer ${token}`).enrol(key.publicKey)
    const ask = (audience: string) =>
      clientWith(async (method, path) => {
        const claim = { node: 'n', privateKey: key.privateKey, now: realSys.clock.now() }
        return `Bearer ${await nodeCredential({ ...claim, method, path, audience })}`
      }).nextAssignment({ epoch: 0, number: 0 }, 0)
    expect(await ask(credentialAudience(server.authority?.fingerprint))).toBeUndefined()
    expect(await codeOf(ask(credentialAudience(undefined)))).toBe('credential-other-request')
  })

  test('on every address it must be told by which it is known', async () => {
    expect(await codeOf(start('0.0.0.0'))).toBe('address-not-advertised')
  })

  test('a port that is taken is named', async () => {
    const { url } = await start('127.0.0.1')
    const other = await mkdtemp(join(tmpdir(), 'ashlar-tls-'))
    const listen = { host: '127.0.0.1', port: Number(new URL(url).port) }
    const second = startServer({
      sys: realSys,
      dataFolder: other,
      listen,
      directorKey,
      onError: () => undefined,
    })
    expect(await codeOf(second)).toBe('address-in-use')
    await rm(other, { recursive: true })
  })

  test('one server runs on a folder', async () => {
    await start('127.0.0.1')
    expect(await codeOf(start('127.0.0.1'))).toBe('database-in-use')
  })
})

describe('the admin token', () => {
  test('is made at the first start, and again when asked for; its text is in no file', async () => {
    const first = await start('127.0.0.1')
    expect(first.adminToken).toMatch(/^ashlar_admin_/)
    await first.close()
    running.length = 0
    const second = await start('127.0.0.1')
    expect(second.adminToken).toBeUndefined()
    await second.close()
    running.length = 0
    const third = await start('127.0.0.1', { newAdminToken: true })
    expect(await clientOf(third).list('Node')).toEqual([])
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const content = await readFile(join(file.parentPath, file.name), 'latin1')
      for (const token of [first.adminToken, third.adminToken]) expect(content).not.toContain(token)
    }
  })

  test('a wrong token is told so, with what to do', async () => {
    const server = await start('127.0.0.1')
    const client = createClient({ net: realSys.net, url: server.url, credential: () => 'Bearer wrong' })
    const error = await client.list('Node').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      status: 401,
      code: 'not-authenticated',
      hint: expect.stringContaining('login'),
    })
  })
})

describe('authority and certificate', () => {
  const modeOf = async (file: string) => (await stat(join(folder, file))).mode & 0o777
  const at = (now: number): Sys => ({ ...realSys, clock: { ...realSys.clock, now: () => now } })
  const now = realSys.clock.now()
  const dayMs = 24 * 3_600_000

  test('stay from start to start, and only their owner reads the keys', async () => {
    const first = await openTls(realSys, folder, ['10.0.0.1', 'plant.example'])
    const second = await openTls(realSys, folder, ['10.0.0.1'])
    expect(second).toEqual(first)
    expect(await modeOf('authority.key')).toBe(0o600)
    expect(await modeOf('server.pem')).toBe(0o600)
  })

  test('another address makes another certificate of the same authority', async () => {
    const first = await openTls(realSys, folder, ['10.0.0.1'])
    const second = await openTls(realSys, folder, ['10.0.0.2'])
    expect(second.cert).not.toBe(first.cert)
    expect(second.fingerprint).toBe(first.fingerprint)
  })

  test('a certificate near its end is renewed', async () => {
    const first = await openTls(at(now), folder, ['10.0.0.1'])
    const later = now + 600 * dayMs
    expect(needsRenewal(first.cert, later)).toBe(true)
    const second = await openTls(at(later), folder, ['10.0.0.1'])
    expect(second.cert).not.toBe(first.cert)
    expect(needsRenewal(second.cert, later)).toBe(false)
    expect(second.fingerprint).toBe(first.fingerprint)
  })

  test('a start that was cut between the two files of the authority begins again', async () => {
    await openTls(realSys, folder, ['10.0.0.1'])
    await rm(join(folder, 'authority.pem'))
    const again = await openTls(realSys, folder, ['10.0.0.1'])
    expect(certificateFingerprint(again.authority)).toBe(again.fingerprint)
    const certificate = again.cert
    expect((await openTls(realSys, folder, ['10.0.0.1'])).cert).toBe(certificate)
  })
})
