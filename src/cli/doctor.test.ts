import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { testServer } from '../testing/index.ts'
import { commandFixture } from './command-fixture.ts'
import { debianPackages } from './debian-packages.ts'
import type { Check } from './doctor-probes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-doctor-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

async function doctor(words: readonly string[] = [], sys = realSys) {
  const { exitCode, stdout } = await commandFixture(sys, folder).run('doctor', ...words, '--json')
  const { checks, ...rest } = JSON.parse(stdout) as { good: boolean; notReady: string[]; checks: Check[] }
  return { exitCode, ...rest, of: (name: string) => checks.find((check) => check.name === name) }
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
    const here = process.cwd()
    try {
      process.chdir(folder)
      expect((await doctor(['build'])).of('buildah')).toBeUndefined()
      writeFileSync(
        'ashlar.yaml',
        'apiVersion: ashlar/v1\nkind: Image\nmetadata: { name: a, version: 1.0.0 }\nspec: { form: container, base: { debian: bookworm }, from: { containerfile: Containerfile } }\n',
      )
      expect((await doctor(['build'])).of('buildah')).toMatchObject({ is: 'good' })
    } finally {
      process.chdir(here)
    }
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
