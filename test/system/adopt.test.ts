import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Finding, parseDefinition } from '../../src/core/index.ts'
import {
  type BootedSystem,
  bootLivingSystem,
  makeLivingSystem,
  makeSshAccess,
  type Secrets,
} from './adopt/living-system.ts'
import { shared } from './build/fixture.ts'

const ashlar = resolve(import.meta.dirname, '../../bin/ashlar')

let folder: string
let root: string
let secrets: Secrets
let access: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-adopt-'))
  ;({ root, secrets } = makeLivingSystem(folder))
  access = makeSshAccess(folder, root, ['ops', 'guest'])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly exitCode: number | null
  readonly printed: string
  readonly answer: { readonly findings: readonly Finding[]; readonly error?: { readonly code: string } }
}

function adopt(target: string, output: string, system?: BootedSystem): Ran {
  const words = ['adopt', target, '--output', join(folder, output), '--json']
  const [program, args] = system === undefined ? [ashlar, words] : system.inNetwork(ashlar, words)
  const env = { ...process.env, PATH: `${access}:${process.env.PATH}` }
  const { status, stdout, stderr } = spawnSync(program, [...args], {
    encoding: 'utf8',
    env,
    maxBuffer: 1 << 26,
  })
  return { exitCode: status, printed: stdout + stderr, answer: JSON.parse(stdout) }
}

function specOf(output: string) {
  const parsed = parseDefinition(readFileSync(join(folder, output, 'ashlar.yaml'), 'utf8'))
  if (parsed.is === 'findings') throw new Error(JSON.stringify(parsed.findings))
  return parsed.definition.spec
}

const placesOf = ({ answer }: Ran, code: string) =>
  answer.findings.filter((finding) => finding.code === code).map(({ where, message }) => where ?? message)

/** Of each name with its mode, owner, size and every time of it: what a read-only look leaves as it was. */
function stateOf(tree: string): string {
  const list = execFileSync('find', [tree, '-printf', '%p %m %U %G %s %T@ %C@ %l\\n'], { maxBuffer: 1 << 28 })
  return createHash('sha256').update(list).digest('hex')
}

function expectNoSecret(output: string, printed: string): void {
  const written = execFileSync('find', [join(folder, output), '-type', 'f', '-exec', 'cat', '{}', '+'], {
    maxBuffer: 1 << 28,
  })
  for (const [what, secret] of Object.entries(secrets)) {
    expect(secret.length, what).toBeGreaterThan(15)
    expect(written.includes(secret), `${what} in a file`).toBe(false)
    expect(printed.includes(secret), `${what} on the terminal`).toBe(false)
  }
}

describe('a root folder', () => {
  let ran: Ran
  beforeAll(() => {
    const before = stateOf(root)
    ran = adopt(root, 'from-folder')
    expect(ran.exitCode, ran.printed).toBe(0)
    expect(stateOf(root), 'the root is as it was').toBe(before)
  })

  test('gives what was asked for, and who lives there', () => {
    const spec = specOf('from-folder')
    expect(spec.base.debian).toBe('bookworm')
    expect(spec.packages).toEqual(
      expect.arrayContaining(['gawk', 'nginx-light', 'openssh-server', 'sudo', 'tree']),
    )
    for (const brought of ['nginx', 'libc6', 'systemd', 'apt', 'usrmerge', 'local-tool', 'iproute2-doc'])
      expect(spec.packages).not.toContain(brought)
    expect(spec.services).toEqual(['collector.service'])
    expect(spec.users.map(({ name, uid, groups }) => [name, uid, groups])).toEqual([
      ['collector', 400, []],
      ['ops', 1500, ['sudo', 'www-data']],
      ['guest', 1501, []],
    ])
  })

  test('carries files with their owner and mode, and what was turned off', () => {
    const read = (path: string) => readFileSync(join(folder, 'from-folder', path), 'utf8')
    expect(read('rootfs/etc/nginx/nginx.conf')).toContain('client_max_body_size 50m')
    expect(read('rootfs/etc/sysctl.d/50-own.conf')).toContain('swappiness')
    expect(read('rootfs-www-data-www-data/srv/shop/index.html')).toBe('a shop\n')
    expect(specOf('from-folder').files).toEqual([
      expect.objectContaining({ from: 'rootfs/', to: '/', owner: 'root:root' }),
      expect.objectContaining({ from: 'rootfs-root-root-4755/', mode: '4755' }),
      expect.objectContaining({ from: 'rootfs-www-data-www-data/', owner: 'www-data:www-data' }),
    ])
    const links = ['etc/systemd/system/cron.service', 'etc/nginx/sites-enabled/default']
    for (const link of links)
      expect(execFileSync('readlink', [join(folder, 'from-folder/rootfs', link)], { encoding: 'utf8' })).toBe(
        '/dev/null\n',
      )
  })

  test.each([
    ['a package from a file', 'package-local', ['local-tool 1.0 is in no archive that is set up there']],
    ['a program that is not its package’s', 'program-changed', ['/usr/bin/tree']],
    ['a file whose content cannot be judged', 'file-opaque', ['/opt/bundle/data.gz']],
    ['a pipe', 'file-special', ['/opt/bundle/pipe']],
    ['a program with root’s rights', 'file-privileged', ['/usr/local/bin/tree-as-root']],
    ['what npm installed', 'foreign-package', ['left was installed by npm']],
    ['a mount', 'mount', ['/srv/files']],
    ['a crontab', 'crontab', ['/var/spool/cron/crontabs/ops']],
    ['a folder of its own', 'folder-unknown', ['/data']],
    ['a disabled service', 'service-masked', ['/etc/systemd/system/cron.service']],
    ['who needs a key', 'secret-needed', ['/etc/nginx/sites-available/shop']],
    ['data', 'state', expect.arrayContaining(['/var/lib/collector'])],
    ['homes', 'home', ['/home/guest', '/home/ops', '/root']],
    [
      'every secret',
      'secret',
      [
        '/etc/closed/open.txt',
        '/etc/collector/database.conf',
        '/etc/collector/endpoint.conf',
        '/etc/gshadow',
        '/etc/gshadow-',
        '/etc/security/opasswd',
        '/etc/shadow',
        '/etc/shadow-',
        '/etc/ssl/private/shop.key',
        '/etc/sudoers.d/ops',
        '/usr/local/share/notes.txt',
      ],
    ],
  ])('names %s', (_, code, places) => expect(placesOf(ran, code)).toEqual(places))

  test('has no byte of a secret in it', () => expectNoSecret('from-folder', ran.printed))

  test('is not written over, and nothing is adopted that is no Debian of ours', () => {
    expect(adopt(root, 'from-folder').answer.error?.code).toBe('file-exists')
    const empty = join(folder, 'empty')
    mkdirSync(empty, { recursive: true })
    expect(adopt(empty, 'none').answer.error?.code).toBe('not-debian')
    expect(adopt(join(folder, 'nowhere'), 'none').answer.error?.code).toBe('file-missing')
  })

  test('locks, and builds', () => {
    const definition = join(folder, 'build')
    cpSync(join(folder, 'from-folder'), definition, { recursive: true, verbatimSymlinks: true })
    // As a container: kernel and disk form are the same whoever wrote the definition.
    const file = join(definition, 'ashlar.yaml')
    const text = readFileSync(file, 'utf8').replace(/\n {2}trust:[\s\S]*/, '\n')
    writeFileSync(
      file,
      text
        .replace('\nspec:\n', '\nspec:\n  form: container\n')
        .replace('packages:\n', 'packages:\n    - systemd\n'),
    )
    appendFileSync(file, '  run: { command: [/usr/sbin/nginx] }\n')
    const env = { ...process.env, ASHLAR_DATA: shared, ASHLAR_PROGRESS: 'off' }
    execFileSync(ashlar, ['lock', definition], { env })
    const built = JSON.parse(execFileSync(ashlar, ['build', definition, '--json'], { env, encoding: 'utf8' }))
    expect(built).toMatchObject({ digest: expect.stringMatching(/^sha256:/) })
  })
})

describe('a running system over ssh', () => {
  let system: BootedSystem
  let waited: string
  beforeAll(() => {
    system = bootLivingSystem(folder, root)
    const ready = ['-o', 'ConnectionAttempts=60', 'ops@127.0.0.1', 'systemctl is-system-running --wait']
    const [program, args] = system.inNetwork(join(access, 'ssh'), ready)
    waited = spawnSync(program, [...args], { encoding: 'utf8' }).stdout
  })
  afterAll(() => system.stop())

  test('gives the same as its folder, and a check of what listens', () => {
    expect(waited).toBe('running\n')
    const ran = adopt('ops@127.0.0.1', 'over-ssh', system)
    expect(ran.exitCode, ran.printed).toBe(0)
    const { health, kernel: _, ...spec } = specOf('over-ssh')
    expect(health).toEqual([{ name: 'nginx-80', http: 'http://localhost/', within: '30s' }])
    expect(spec).toMatchObject({
      services: ['collector.service'],
      packages: expect.arrayContaining(['nginx-light']),
    })
    expect(placesOf(ran, 'secret')).toContain('/etc/ssl/private/shop.key')
    expectNoSecret('over-ssh', ran.printed)
  })

  test('says what a user without rights could not see', () => {
    const ran = adopt('guest@127.0.0.1', 'as-guest', system)
    expect(ran.exitCode, ran.printed).toBe(0)
    expect(placesOf(ran, 'unread')).toEqual(expect.arrayContaining(['/etc/closed', '/etc/sudoers', '/root']))
    expect(placesOf(ran, 'health-unknown')).toEqual([expect.stringMatching(/^\d+ listening sockets belong/)])
    expectNoSecret('as-guest', ran.printed)
  })

  test('tells a host that lets nobody in from one that is not there', () => {
    const refused = adopt('stranger@127.0.0.1', 'none', system)
    expect([refused.exitCode, refused.answer.error?.code]).toEqual([77, 'host-refused'])
    const gone = adopt('nowhere', 'none', system)
    expect([gone.exitCode, gone.answer.error?.code]).toEqual([69, 'host-unreachable'])
  })
})
