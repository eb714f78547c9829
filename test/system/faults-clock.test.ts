import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type DebianArchive, debianArchive } from '../../src/testing/index.ts'
import { type Ended, runCommand } from './faults/command.ts'
import { defineContainer, smallPackages } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

let root: string
let folder: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-faults-clock-'))
})
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'))
})

const library = execFileSync('dpkg', ['-L', 'libfaketime'], { encoding: 'utf8' })
  .split('\n')
  .find((path) => path.endsWith('/libfaketimeMT.so.1'))

/** Another clock for the command and all that it starts. */
const clockAt = (time: string) => ({
  ...{ LD_PRELOAD: library ?? '', FAKETIME: time, NO_FAKE_STAT: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
})
const beginning = '@1970-01-02 00:00:00'
const inTenYears = '+3650d'

function errorOf({ exitCode, stdout, stderr }: Ended): { code: string; message: string; hint: string } {
  expect(exitCode, stderr).not.toBe(0)
  return (JSON.parse(stdout) as { error: { code: string; message: string; hint: string } }).error
}

describe('a lock', () => {
  let archive: DebianArchive
  beforeEach(async () => {
    archive = await debianArchive(join(folder, 'archive'), smallPackages)
  })
  afterEach(() => archive.close())

  const gpg = (args: readonly string[], clock: Readonly<Record<string, string>> = {}) =>
    execFileSync(
      'gpg',
      [
        '--homedir',
        join(archive.folder, 'gnupg'),
        '--batch',
        '--quiet',
        '--yes',
        '--passphrase',
        '',
        ...args,
      ],
      { env: { PATH: process.env.PATH, ...clock }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
  const loopback = ['--pinentry-mode', 'loopback']

  /** Signs the indexes anew, after a change, by the key of that name. */
  function sign(
    change: (release: string) => string,
    who = 'archive@example.org',
    clock: Readonly<Record<string, string>> = {},
  ): void {
    for (const pocket of [
      'debian/dists/bookworm',
      'debian/dists/bookworm-updates',
      'security/dists/bookworm-security',
    ]) {
      const [release, signed] = ['Release', 'InRelease'].map((name) => join(archive.folder, pocket, name))
      writeFileSync(release ?? '', change(readFileSync(release ?? '', 'utf8')))
      gpg([...loopback, '--local-user', who, '--clearsign', '--output', signed ?? '', release ?? ''], clock)
    }
    writeFileSync(archive.keyring, gpg(['--export']))
  }
  const unchanged = (release: string) => release
  const field = (name: string, value: string) => (release: string) =>
    `${name}: ${value}\n${release.replace(new RegExp(`^${name}: .*\n`, 'm'), '')}`

  const lock = (environment: Readonly<Record<string, string>> = {}) => {
    const definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
    // The host's own apt may be told to look at no dates.
    const settings = join(folder, 'apt.conf')
    writeFileSync(settings, 'Dir::Etc::parts "/nonexistent";\n')
    return runCommand(['lock', definition, '--json'], {
      ...{ data: join(folder, 'data'), keyring: archive.keyring },
      environment: { ...environment, APT_CONFIG: settings },
    })
  }

  test.each<[string, () => void, string, RegExp, Readonly<Record<string, string>>?]>([
    [
      'an index that has expired',
      () => sign(field('Valid-Until', 'Sat, 21 Nov 2020 03:11:10 UTC')),
      ...(['archive-expired', /another mirror.*|timedatectl/] as const),
    ],
    [
      'an index that is dated in the future',
      () => sign(field('Date', 'Sat, 20 Nov 2100 03:11:10 UTC')),
      ...(['clock-behind', /timedatectl/] as const),
    ],
    [
      'a key that has expired',
      () => {
        const then = clockAt('@2020-01-01 00:00:00')
        gpg([...loopback, '--quick-generate-key', 'late@example.org', 'ed25519', 'sign', '2020-06-01'], then)
        sign(unchanged, 'late@example.org', clockAt('@2020-02-01 00:00:00'))
      },
      ...(['archive-key-expired', /debian-archive-keyring/] as const),
    ],
    [
      'a key that was revoked',
      () => {
        gpg([...loopback, '--quick-generate-key', 'gone@example.org', 'ed25519', 'sign', 'never'])
        sign(unchanged, 'gone@example.org')
        const listed = gpg(['--list-keys', '--with-colons', 'gone@example.org']).toString()
        const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? ''
        const revocation = join(archive.folder, 'gnupg/openpgp-revocs.d', `${fingerprint}.rev`)
        writeFileSync(revocation, readFileSync(revocation, 'utf8').replace(':-----', '-----'))
        gpg(['--import', revocation])
        writeFileSync(archive.keyring, gpg(['--export']))
      },
      ...(['archive-key-revoked', /another mirror/] as const),
    ],
    [
      'an index that was altered after it was signed',
      () => {
        const file = join(archive.folder, 'debian/dists/bookworm/InRelease')
        writeFileSync(file, readFileSync(file, 'utf8').replace('Origin: Test', 'Origin: Tost'))
      },
      ...(['archive-invalid', /another mirror/] as const),
    ],
    ['a clock at the beginning of 1970', () => undefined, 'clock-behind', /timedatectl/, clockAt(beginning)],
    [
      'a clock ten years ahead, of an index that expires',
      () => sign(field('Valid-Until', 'Sat, 20 Nov 2032 03:11:10 UTC')),
      ...(['archive-expired', /timedatectl/, clockAt(inTenYears)] as const),
    ],
    [
      'a clock ten years ahead, of a key that expires',
      () => {
        gpg([...loopback, '--quick-generate-key', 'fair@example.org', 'ed25519', 'sign', '2y'])
        sign(unchanged, 'fair@example.org')
      },
      ...(['archive-key-expired', /timedatectl/, clockAt(inTenYears)] as const),
    ],
  ])('with %s is refused, with what mends it', async (_, prepare, code, mend, clock) => {
    prepare()
    execFileSync('gpgconf', ['--homedir', join(archive.folder, 'gnupg'), '--kill', 'all'])
    const error = errorOf(await lock(clock))
    expect(error).toMatchObject({ code, hint: expect.stringMatching(mend) })
    expect(existsSync(join(folder, 'definition/ashlar.lock'))).toBe(false)
    expect(readdirSync(join(folder, 'data/store/blobs/sha256'))).toEqual([])
  })
})

describe('a lock where the host looks at no dates, for its mirror is a snapshot', () => {
  const expired = { 'Valid-Until': 'Sat, 21 Nov 2020 03:11:10 UTC' }
  async function lockWith(environment: Readonly<Record<string, string>>): Promise<Ended> {
    const archive = await debianArchive(join(folder, 'archive'), smallPackages, { release: expired })
    const settings = join(folder, 'apt.conf')
    writeFileSync(
      settings,
      'Dir::Etc::parts "/nonexistent"; Acquire::Check-Valid-Until "false"; Acquire::Check-Date "false";',
    )
    const definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
    return await runCommand(['lock', definition, '--json'], {
      ...{ data: join(folder, 'data'), keyring: archive.keyring },
      environment: { ...environment, APT_CONFIG: settings },
    }).finally(() => archive.close())
  }

  test('goes on with an index that has expired, and says so', async () => {
    const { exitCode, stderr } = await lockWith({})
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(/does not look at the dates.*Check-Valid-Until "false".*Check-Date "false"/),
    ])
  })

  test('is refused all the same with a clock in 1970', async () => {
    expect(errorOf(await lockWith(clockAt(beginning))).code).toBe('clock-behind')
  })
})

test('a build with a clock in 1970 is refused; ten years ahead it makes the same release', async () => {
  const archive = await tinyArchive(join(folder, 'archive'))
  const definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
  const data = join(folder, 'data')
  await runCommand(['lock', definition], { data, keyring: archive.keyring }).finally(() => archive.close())
  const words = ['build', definition, '--json', '--no-cache']
  expect(errorOf(await runCommand(words, { data, environment: clockAt(beginning) }))).toMatchObject({
    code: 'clock-behind',
    hint: expect.stringMatching(/timedatectl/),
  })
  const [now, later] = [
    await runCommand(words, { data }),
    await runCommand(words, { data, environment: clockAt(inTenYears) }),
  ]
  const digestOf = ({ stdout }: Ended) => (JSON.parse(stdout) as { digest?: string }).digest
  expect(digestOf(now)).toMatch(/^sha256:/)
  expect(digestOf(later)).toBe(digestOf(now))
})
