import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDefinition } from '../core/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { commandFixture } from './command-fixture.ts'

let folder: string
let root: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-adopt-'))
  root = join(folder, 'root')
  put(
    'var/lib/dpkg/status',
    'Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nEssential: yes\n\n',
  )
  put('var/lib/dpkg/info/dpkg.list', '/etc\n')
  put('usr/lib/os-release', 'ID=debian\nVERSION_CODENAME=trixie\n')
  put('etc/hostname', 'Shop_1.example.org\n')
  put('etc/passwd', 'ann:x:1000:1000:Ann,secret-room:/home/ann:/bin/bash\n')
  put('etc/group', 'ann:x:1000:\n')
  put('etc/own.conf', 'interval = 10\n')
  put('etc/login.conf', 'password = hunter2-and-more\n')
  symlinkSync('own.conf', join(root, 'etc/link.conf'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  chmodSync(join(root, path), 0o644)
}

const cli = (sys: Sys = realSys) => commandFixture(sys, join(folder, 'data'))
const output = () => join(folder, 'out')

test('writes a definition, its files and a report, and tells the same as JSON', async () => {
  const ran = await cli().run('adopt', root, '--output', output(), '--json')
  expect(ran.exitCode, ran.stderr).toBe(0)
  const answer = JSON.parse(ran.stdout)
  expect(answer).toMatchObject({
    ...{ folder: output(), name: 'shop-1', suite: 'trixie', architecture: 'amd64', users: ['ann'] },
    files: ['/etc/link.conf', '/etc/own.conf'],
    next: expect.arrayContaining([`ashlar lock ${output()}`]),
  })
  expect(answer.findings).toContainEqual(
    expect.objectContaining({ code: 'secret', where: '/etc/login.conf' }),
  )
  expect(parseDefinition(readFileSync(join(output(), 'ashlar.yaml'), 'utf8')).is).toBe('definition')
  expect(readFileSync(join(output(), 'ADOPTED.md'), 'utf8')).toContain('`/etc/login.conf`')
  expect(readFileSync(join(output(), 'rootfs/etc/link.conf'), 'utf8')).toBe('interval = 10\n')
  expect(readdirSync(output()).toSorted()).toEqual([
    '.gitignore',
    'ADOPTED.md',
    'ashlar.schema.json',
    'ashlar.yaml',
    'rootfs',
  ])
  expect(ran.stdout + ran.stderr).not.toMatch(/hunter2|secret-room/)
})

test.each<[string, () => readonly string[], number, string]>([
  ['a folder that is not empty', () => [root, '--output', folder], 1, 'file-exists'],
  ['a name that an image cannot have', () => [root, '--name', 'No Name'], 64, 'usage'],
  ['a host that would be an option', () => ['--', '-oProxyCommand=id'], 64, 'target-invalid'],
  ['a folder that is not there', () => [join(folder, 'none'), '--output', output()], 66, 'file-missing'],
  ['a folder that is no Debian', () => [join(root, 'etc'), '--output', output()], 65, 'not-debian'],
])('%s is refused, and nothing is written', async (_, words, exitCode, code) => {
  const ran = await cli().run('adopt', '--json', ...words())
  expect([ran.exitCode, JSON.parse(ran.stdout).error.code]).toEqual([exitCode, code])
  expect(existsSync(output())).toBe(false)
})

test('another Debian is refused by its name', async () => {
  put('usr/lib/os-release', 'ID=ubuntu\nPRETTY_NAME="Ubuntu 24.04"\n')
  const ran = await cli().run('adopt', root, '--output', output())
  expect([ran.exitCode, ran.stderr]).toEqual([
    65,
    expect.stringMatching(/Ubuntu 24\.04.*\[suite-unsupported\]/),
  ])
})

test('a folder that cannot be filled is left empty', async () => {
  const full = async () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'symlink' })
  }
  const ran = await cli({ ...realSys, disk: { ...realSys.disk, symlink: full } }).run(
    'adopt',
    root,
    '--output',
    output(),
  )
  expect([ran.exitCode, readdirSync(output())]).toEqual([74, []])
})
