import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildShared, lockedStore, makeDefinition, node, sharedStore } from './build/fixture.ts'

/** The folder's name has a blank, and so have all paths of the build in it. */
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar other world '))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const daysAhead = 400
const faketime = execFileSync('dpkg', ['-L', 'libfaketime'], { encoding: 'utf8' })
  .split('\n')
  .find((path) => path.endsWith('/faketime'))

test('a build with another time zone, umask, locale, path, TMPDIR, file order and clock gives the same digest', async () => {
  const here = await buildShared(await lockedStore())

  const definition = join(folder, 'definition')
  makeDefinition(definition, 'backwards')
  mkdirSync(join(folder, 'a TMPDIR'))
  const order = { folder: definition, store: sharedStore, cache: join(folder, 'a cache'), faketime }
  const command = ['umask 077; exec "$@"', 'sh', node, join(import.meta.dirname, 'build/build-elsewhere.ts')]
  const output = execFileSync('sh', ['-c', ...command, JSON.stringify(order)], {
    encoding: 'utf8',
    env: {
      TZ: 'Pacific/Chatham',
      LC_ALL: 'tr_TR.UTF-8',
      LANG: 'tr_TR.UTF-8',
      PATH: '/opt/nothing:/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin',
      HOME: '/nonexistent',
      TMPDIR: join(folder, 'a TMPDIR'),
      LD_PRELOAD: `${faketime}/libfaketimeMT.so.1`,
      FAKETIME: `+${daysAhead}d`,
      NO_FAKE_STAT: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  })
  const there = JSON.parse(output) as { digest: string; dates: number[]; date: number }

  const ahead = (seconds: number) => Math.round((seconds - Date.now() / 1000) / 86_400)
  expect(ahead(there.date)).toBe(daysAhead)
  expect(there.dates.length).toBeGreaterThan(5)
  expect([...new Set(there.dates.map(ahead))]).toEqual([daysAhead])
  expect(there.digest).toBe(here.digest)
})
