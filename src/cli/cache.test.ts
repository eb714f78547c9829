import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { keepEntry } from '../testing/index.ts'
import { commandFixture } from './command-fixture.ts'

let folder: string
const entries = () => join(folder, 'cache/build/entries')
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-cache-'))
  for (const [age, what] of ['packages', 'initrd'].entries()) keep(what, 1_000 - age)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** An entry of the cache that was last used then. */
function keep(what: string, usedSeconds: number): void {
  utimesSync(join(keepEntry(folder, what), 'entry.json'), usedSeconds, usedSeconds)
}

const cli = () => commandFixture(realSys, folder)

test('cache ls names what is kept, the last used first', async () => {
  const { stdout } = await cli().run('cache', 'ls')
  expect(stdout).toBe(
    [
      'USED              SIZE    WHAT',
      '1970-01-01 00:16  3.0 MB  packages',
      '1970-01-01 00:16  3.0 MB  initrd',
      '6.0 MB in 2 entries\n',
    ].join('\n'),
  )
})

test('cache prune removes nothing where nobody said yes', async () => {
  const { exitCode, stdout } = await cli().run('cache', 'prune', '--json')
  expect(exitCode).toBe(64)
  expect(JSON.parse(stdout).error).toMatchObject({
    code: 'confirmation-missing',
    findings: [{ message: 'remove packages, 3.0 MB' }, { message: 'remove initrd, 3.0 MB' }],
  })
  expect(readdirSync(entries())).toHaveLength(2)
})

test('cache prune --max removes what was longest unused, and says how much that freed', async () => {
  const { stdout } = await cli().run('cache', 'prune', '--max', '4MB', '--yes', '--json')
  const { freedBytes, removed } = JSON.parse(stdout)
  expect(removed).toMatchObject([{ what: 'initrd', sizeBytes: freedBytes }])
  expect(freedBytes).toBeGreaterThan(3_000_000)
  expect(JSON.parse((await cli().run('cache', 'ls', '--json')).stdout)).toMatchObject([{ what: 'packages' }])
})

test('an altered record is shown as damaged, and can be removed', async () => {
  for (const name of readdirSync(entries())) writeFileSync(join(entries(), name, 'entry.json'), 'broken')
  const listed = JSON.parse((await cli().run('cache', 'ls', '--json')).stdout)
  expect(listed).toMatchObject([{ what: 'a damaged entry' }, { what: 'a damaged entry' }])
  await cli().run('cache', 'prune', '--yes')
  expect(readdirSync(entries())).toEqual([])
})

test('a size that is none is refused', async () => {
  const { exitCode, stdout } = await cli().run('cache', 'prune', '--max', 'much', '--json')
  expect([exitCode, JSON.parse(stdout).error.code]).toEqual([64, 'usage'])
})
