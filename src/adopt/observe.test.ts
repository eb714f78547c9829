import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { noProgress } from '../core/index.ts'
import { realSys as sys } from '../sys/index.ts'
import { observe, readFiles, sshError } from './observe.ts'
import { parseTarget, shellOf } from './target.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-observe-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const target = () => ({ is: 'folder', folder: root }) as const

test('a stop ends the whole look at once, with all that it started', async () => {
  const status = join(root, 'var/lib/dpkg/status')
  mkdirSync(join(root, 'var/lib/dpkg/info'), { recursive: true })
  // What reads it waits until somebody writes.
  execFileSync('mkfifo', [status])
  const stop = new AbortController()
  const looking = observe({ sys, target: target(), progress: noProgress, signal: stop.signal })
  // Opens once awk has it open.
  const writer = await open(status, 'w')
  stop.abort(new Error('stopped'))
  await expect(looking).rejects.toThrow('stopped')
  await writer.close()
  expect(() => closeSync(openSync(status, constants.O_WRONLY | constants.O_NONBLOCK))).toThrow(/ENXIO/)
})

test('files are read whole, whatever their names and bytes; a link is not followed', async () => {
  const names = ["/it's $(a) `b` \\ name", '/-n', '/ashlar-end-of-paths', '/ends with a space ']
  const bytes = Buffer.from([...Array(256).keys()])
  for (const name of names) writeFileSync(join(root, name), bytes)
  execFileSync('ln', ['-s', '/etc/passwd', join(root, 'link')])
  execFileSync('chmod', ['0755', root])
  const read = await readFiles({ sys, target: target(), progress: noProgress }, [...names, '/link', '/gone'])
  expect([...read.keys()]).toEqual(names)
  for (const name of names) expect(read.get(name)).toEqual(bytes)
})

test.runIf(process.geteuid?.() === 0)('what is closed to others is not read, though root looks', async () => {
  execFileSync('chmod', ['0755', root])
  writeFileSync(join(root, 'closed'), 'secret', { mode: 0o600 })
  const read = await readFiles({ sys, target: target(), progress: noProgress }, ['/closed'])
  expect(read.size).toBe(0)
})

test('links of a mounted root do not lead into this system', async () => {
  for (const path of ['var/lib/dpkg/info', 'usr/lib', 'etc']) mkdirSync(join(root, path), { recursive: true })
  writeFileSync(join(root, 'var/lib/dpkg/status'), '')
  const here = join(tmpdir(), `${root.split('/').at(-1)}-here`)
  writeFileSync(here, 'ofthissystem:x:1000:1000::/:/bin/sh\n')
  for (const name of ['hostname', 'debian_version', 'passwd', 'group', 'fstab'])
    execFileSync('ln', ['-s', here, join(root, 'etc', name)])
  try {
    const facts = await observe({ sys, target: target(), progress: noProgress })
    const { hostname, debianVersion, users, groups, mounts } = facts
    expect([hostname, debianVersion, users, groups, mounts]).toEqual(['', '', [], [], []])
  } finally {
    rmSync(here)
  }
})

test('a root without dpkg is no Debian', async () => {
  await expect(observe({ sys, target: target(), progress: noProgress })).rejects.toMatchObject({
    code: 'not-debian',
    where: `${root}/var/lib/dpkg`,
  })
})

describe('a target', () => {
  test.each([
    ['/', { is: 'folder', folder: '/' }],
    ['./root', { is: 'folder', folder: './root' }],
    ['web-1', { is: 'host', host: 'web-1' }],
    ['ops@web-1.example.org', { is: 'host', host: 'ops@web-1.example.org' }],
    ['ops@2001:db8::1', { is: 'host', host: 'ops@2001:db8::1' }],
  ])('%s', (text, parsed) => expect(parseTarget(text)).toEqual(parsed))

  test.each(['', '-oProxyCommand=id', 'a b', 'a;id', '$(id)', 'a@-x', "a'b"])('%j is refused', (text) => {
    expect(() => parseTarget(text)).toThrow(expect.objectContaining({ code: 'target-invalid' }))
  })

  test('of ssh, no option follows the host', () => {
    const { args } = shellOf({ is: 'host', host: 'web-1' })
    expect(args.slice(-3, -1)).toEqual(['--', 'web-1'])
  })
})

test.each([
  ['ops@web: Permission denied (publickey).', 'host-refused'],
  ['Host key verification failed.', 'host-refused'],
  ['ssh: connect to host web port 22: Connection refused', 'host-unreachable'],
  ['ssh: Could not resolve hostname web: Name or service not known', 'host-unreachable'],
  ['', 'host-unreachable'],
])('ssh says %j: %s', (said, code) => {
  const error = sshError('web', said)
  expect([error.code, error.where]).toEqual([code, 'web'])
  expect(error.hint).toContain('ssh')
})
