import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from './faults/command.ts'
import { tracesOf } from './faults/host.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

let folder: string
let definition: string
const data = () => join(folder, 'data')
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-together-'))
  const archive = await tinyArchive(join(folder, 'archive'))
  definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
  await runCommand(['lock', definition], { data: data(), keyring: archive.keyring })
  await archive.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function build(...options: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(['build', definition, '--json', ...options], { data: data() })
  const { digest } = JSON.parse(stdout) as { digest?: string }
  expect(digest, stdout + stderr).toMatch(/^sha256:/)
  return digest ?? ''
}

test('builds of one folder at once, with and without the cache, all come to the same release', async () => {
  const digests = await Promise.all([build(), build(), build('--no-cache'), build('--no-cache')])
  expect(new Set(digests).size).toBe(1)
  expect(await build()).toBe(digests[0])
  expect(readdirSync(join(data(), 'cache/build/work'))).toEqual([])
  expect(tracesOf(folder)).toEqual([])
})

test('a cache that is emptied, or damaged, beside a build changes nothing of what it makes', async () => {
  const before = await build()
  const emptying = runCommand(['cache', 'prune', '--yes'], { data: data() })
  expect(await build('--no-cache')).toBe(before)
  expect((await emptying).exitCode).toBe(0)

  const entries = join(data(), 'cache/build/entries')
  for (const entry of readdirSync(entries))
    for (const name of readdirSync(join(entries, entry))) writeFileSync(join(entries, entry, name), 'damaged')
  expect(await build()).toBe(before)
})
