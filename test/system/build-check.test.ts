import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DebianArchive } from '../../src/testing/index.ts'
import { runCommand } from './faults/command.ts'
import { tracesOf } from './faults/host.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

let folder: string
let archive: DebianArchive
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-check-'))
  const odd = join(folder, 'archive/trees/odd')
  mkdirSync(join(odd, 'DEBIAN'), { recursive: true })
  mkdirSync(join(odd, 'usr/share/odd'), { recursive: true })
  writeFileSync(join(odd, 'usr/share/odd/list'), 'b\na\n')
  writeFileSync(join(odd, 'DEBIAN/postinst'), oddScript)
  chmodSync(join(odd, 'DEBIAN/postinst'), 0o755)
  archive = await tinyArchive(join(folder, 'archive'), { odd: {} })
})
afterAll(async () => {
  await archive.close()
  rmSync(folder, { recursive: true })
})

/** What a package must not do when it is installed, one line each. */
const oddScript = `#!/bin/sh
set -e
cd /usr/share/odd
: > time; stat -c %y time > time
cat /proc/sys/kernel/random/uuid > chance
echo key > "name-$(cat chance)"
printf -- '-----BEGIN PRIVATE KEY-----\\n%s\\n' "$(cat chance)" > key
`

async function check(packages: readonly string[]) {
  const definition = defineContainer(join(folder, packages.join('-')), archive.mirrors, packages)
  const data = join(folder, 'data')
  await runCommand(['lock', definition], { data, keyring: archive.keyring })
  const { exitCode, stdout, stderr } = await runCommand(['build', definition, '--check', '--json'], { data })
  expect(stdout, stderr).not.toBe('')
  return { exitCode, ...JSON.parse(stdout) }
}

test('build --check finds nothing in packages that leave the same behind each time', async () => {
  expect(await check(['hello'])).toMatchObject({ exitCode: 0, reproducible: true, differences: [] })
})

test('it does not show whether the base was installed by this build or an earlier one', async () => {
  await check(['libhello'])
  const kept = await runCommand(['cache', 'ls', '--json'], { data: join(folder, 'data') })
  expect(
    JSON.parse(kept.stdout).filter(({ what }: { what: string }) => what === 'base, 2 packages'),
  ).toHaveLength(1)
  // The first build of the two takes it, the second begins from nothing.
  expect(await check(['hello', 'libhello'])).toMatchObject({ exitCode: 0, reproducible: true })
})

test('build --check names each path that differs, and why where that is known', async () => {
  const { exitCode, reproducible, differences } = await check(['odd'])
  expect([exitCode, reproducible]).toEqual([1, false])
  const found = (differences as { path: string }[]).filter(({ path }) => !path.includes('/name-'))
  expect(found.map(({ path }) => path)).toEqual(
    ['chance', 'key', 'time'].map((name) => `/usr/share/odd/${name}`),
  )
  expect(found[1]).toMatchObject({ what: 'content', reason: expect.stringContaining('a key that is made') })
  expect(found[2]).toMatchObject({ what: 'content', reason: expect.stringContaining('a time') })
  const names = (differences as { path: string; what: string }[]).filter(({ path }) =>
    path.includes('/name-'),
  )
  expect(names.map(({ what }) => what)).toEqual([
    'only the first build has it',
    'only the second build has it',
  ])
  expect(tracesOf(folder)).toEqual([])
})
