import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { type DebianArchive, debianArchive, testServer } from '../testing/index.ts'
import { commandFixture } from './command-fixture.ts'
import { debianPackages } from './debian-packages.ts'
import type { Check } from './doctor-probes.ts'

let root: string
let archive: DebianArchive
let folder: string
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-doctor-'))
  archive = await debianArchive(join(root, 'archive'), {})
  const { debian, 'debian-security': security } = archive.mirrors
  const lines = [`deb ${debian} bookworm main`, `deb ${security} bookworm-security main`]
  writeFileSync(join(root, 'sources.list'), `${lines.join('\n')}\n`)
  writeFileSync(join(root, 'no-sources.list'), '')
})
afterAll(async () => {
  await archive.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'))
  hostHas('sources.list')
})
afterEach(() => {
  delete process.env.APT_CONFIG
  archive.intercept = undefined
})

/** The host's apt, with other sources than its own, and somebody in a hurry. */
function hostHas(sources: string): void {
  const conf = join(root, 'apt.conf')
  const set = (name: string, value: string) => `${name} "${value}";\n`
  writeFileSync(
    conf,
    [
      set('Dir::Etc::sourcelist', join(root, sources)),
      set('Dir::Etc::sourceparts', '/dev/null'),
      set('Acquire::http::Timeout', '1'),
    ].join(''),
  )
  process.env.APT_CONFIG = conf
}

async function doctor(words: readonly string[] = [], sys = realSys) {
  const { exitCode, stdout } = await commandFixture(sys, folder).run('doctor', ...words, '--json')
  const { checks, ...rest } = JSON.parse(stdout) as { good: boolean; notReady: string[]; checks: Check[] }
  return { exitCode, ...rest, of: (name: string) => checks.find((check) => check.name === name) }
}

/** In the folder of a definition with this base, that is made from a Containerfile. */
async function inFolderOf<T>(base: string, work: () => Promise<T>): Promise<T> {
  writeFileSync(
    join(folder, 'ashlar.yaml'),
    `apiVersion: ashlar/v1\nkind: Image\nmetadata: { name: a, version: 1.0.0 }\nspec: { form: container, base: ${base}, from: { containerfile: Containerfile } }\n`,
  )
  const here = process.cwd()
  process.chdir(folder)
  return await work().finally(() => process.chdir(here))
}

describe('doctor', () => {
  test('finds what script/setup installed here, by running it', async () => {
    const found = await doctor(['lock', 'adopt'])
    expect(found.of('apt-get')).toMatchObject({ is: 'good', found: expect.stringMatching(/^apt \d/) })
    expect(found.of('debian-archive-keyring')?.is).toBe('good')
    expect(found.of('agent and Node')).toMatchObject({
      is: 'good',
      found: expect.stringContaining('Node 24'),
    })
    expect(found.of('ssh')?.is).toBe('good')
    expect(found.of('ip')).toBeUndefined()
  })

  test('a program that is not there is named with the package that brings it and the commands that want it', async () => {
    const path = process.env.PATH
    process.env.PATH = folder
    const found = await doctor().finally(() => {
      process.env.PATH = path
    })
    expect(found).toMatchObject({ exitCode: 1, good: false, notReady: expect.arrayContaining(['lock']) })
    expect(found.of('gpgv')).toEqual({
      ...{ name: 'gpgv', commands: ['lock'], is: 'missing', hint: 'apt-get install gpgv' },
      found: 'not installed; it checks the signatures of archive indexes',
    })
  })

  test('what only a Containerfile needs is looked for where the definition has one', async () => {
    expect((await doctor(['build'])).of('buildah')).toBeUndefined()
    const found = await inFolderOf('{ debian: bookworm }', () => doctor(['build']))
    expect(found.of('buildah')).toMatchObject({ is: 'good' })
  })

  test('the mirrors of the host’s apt answer', async () => {
    const found = await doctor(['lock'])
    expect(found.of('mirror')).toMatchObject({ is: 'good', found: expect.stringMatching(/^has bookworm,/) })
    expect(found.of('security mirror')).toMatchObject({
      is: 'good',
      found: expect.stringMatching(/^has bookworm-security,/),
    })
  })

  test('where a definition names mirrors, these are asked', async () => {
    const base = `{ debian: bookworm, mirrors: { debian: "${archive.mirrors.debian}", debian-security: "http://127.0.0.1:1" } }`
    const found = await inFolderOf(base, () => doctor(['lock']))
    expect(found.of('mirror')?.is).toBe('good')
    expect(found.of('security mirror')).toMatchObject({
      is: 'missing',
      found: expect.stringContaining('nothing answers at the mirror'),
      hint: expect.stringContaining('apt-config dump'),
    })
  })

  test.each<[string, DebianArchive['intercept'], RegExp]>([
    ['is silent', () => true, /^the mirror went silent/],
    ['has a page to log in', (_, response) => !!response.end('<html>'), /a network with a login page/],
    [
      'does not have the suite',
      (_, response) => !!response.writeHead(404).end(),
      /does not have what it should/,
    ],
  ])('a mirror that %s is a finding', async (_, intercept, says) => {
    archive.intercept = intercept
    const found = await doctor(['lock'])
    expect(found).toMatchObject({ exitCode: 1, notReady: ['lock'] })
    expect(found.of('mirror')).toMatchObject({ is: 'missing', found: expect.stringMatching(says) })
  })

  test('a host whose apt has no Debian archive is told where to name one', async () => {
    hostHas('no-sources.list')
    expect((await doctor(['lock'])).of('mirror')).toMatchObject({
      is: 'missing',
      hint: expect.stringContaining('spec.base.mirrors'),
    })
  })

  test.runIf(process.geteuid?.() === 0)('what the kernel allows is tried, and leaves nothing', async () => {
    const before = [
      readFileSync('/proc/self/mounts', 'utf8'),
      execFileSync('ip', ['link'], { encoding: 'utf8' }),
    ]
    const found = await doctor(['build', 'machine'])
    for (const name of ['root', 'namespaces', 'overlay', 'loop and erofs', 'bridge and veth'])
      expect(found.of(name)).toMatchObject({ is: 'good' })
    expect([
      readFileSync('/proc/self/mounts', 'utf8'),
      execFileSync('ip', ['link'], { encoding: 'utf8' }),
    ]).toEqual(before)
  })

  test('what is tried with a program that is missing is not there either, and the other looks go on', async () => {
    const run: typeof realSys.exec.run = (program, ...more) =>
      realSys.exec.run(program === 'unshare' ? '/nowhere/unshare' : program, ...more)
    const found = await doctor(['build'], { ...realSys, exec: { ...realSys.exec, run } })
    expect(found.of('unshare')).toMatchObject({ is: 'missing', hint: 'apt-get install util-linux' })
    expect(found.of('overlay')?.is).not.toBe('good')
    expect(found.of('git')?.is).toBe('good')
  })

  test('a disk that is nearly full', async () => {
    const small = {
      ...realSys,
      disk: { ...realSys.disk, statfs: async () => ({ bavail: 1_000, bsize: 4_096 }) },
    }
    expect((await doctor(['lock'], small as unknown as typeof realSys)).of('disk space')).toMatchObject({
      ...{
        is: 'missing',
        found: expect.stringMatching(/^0\.0 GB free in \//),
        hint: expect.stringContaining('ASHLAR_DATA'),
      },
    })
  })

  test('a clock that went back to the factory', async () => {
    const sys = { ...realSys, clock: { ...realSys.clock, now: () => 0 } }
    expect((await doctor(['login'], sys)).of('clock')).toMatchObject({
      is: 'missing',
      hint: expect.stringContaining('timedatectl'),
    })
  })

  test('a server: none is known, it answers, it is gone', async () => {
    const look = async () => (await doctor(['push'])).of('server')
    expect(await look()).toMatchObject({ is: 'missing', hint: expect.stringContaining('ashlar login') })
    const server = await testServer()
    await commandFixture(realSys, folder).login(server.url, server.adminToken)
    expect(await look()).toMatchObject({ is: 'good', found: `logged in at ${server.url}` })
    await server.close()
    expect(await look()).toMatchObject({ is: 'missing', found: expect.stringContaining('did not answer') })
  })

  test('a server that accepts and says nothing is not waited for long', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    try {
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      await commandFixture(realSys, folder).login(url, 'a-token')
      const waits: number[] = []
      // A hundredth of the time that it would wait.
      const request: typeof realSys.net.request = ({ idleTimeoutMs = 30_000, ...options }) => {
        waits.push(idleTimeoutMs)
        return realSys.net.request({ ...options, idleTimeoutMs: idleTimeoutMs / 100 })
      }
      const found = await doctor(['push'], { ...realSys, net: { ...realSys.net, request } })
      expect(found.of('server')).toMatchObject({ is: 'missing', found: expect.stringContaining('silent') })
      expect(Math.max(...waits)).toBeLessThanOrEqual(10_000)
    } finally {
      silent.close()
      silent.closeAllConnections()
    }
  })

  test('a command that is none is a wrong call', async () => {
    const { exitCode } = await commandFixture(realSys, folder).run('doctor', 'biuld')
    expect(exitCode).toBe(64)
  })
})

test('script/setup installs what the table names', () => {
  const setup = execFileSync(
    'bash',
    ['-c', `source <(sed -n '/^run_time=/,/^)/p' script/setup); echo "$run_time"`],
    {
      cwd: resolve(import.meta.dirname, '../..'),
      encoding: 'utf8',
    },
  )
  const names = setup
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0])
  expect(names).toEqual(debianPackages.map(({ name }) => name))
})
