import { spawn } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realDisk } from './durable.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-durable-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a durable write succeeds beside what a killed process of the same number left', async () => {
  const path = join(folder, 'state.json')
  for (let write = 1; write <= 5; write++) writeFileSync(`${path}.${process.pid}.${write}.tmp`, 'left')
  await realDisk.writeDurably(path, 'one')
  expect(readFileSync(path, 'utf8')).toBe('one')
})

/** Writes a large file again and again, until it is killed with a temporary file beside it. */
async function writeAndBeKilled(path: string): Promise<void> {
  const module = resolve(import.meta.dirname, 'durable.ts')
  const script = `import { realDisk } from ${JSON.stringify(module)}
    for (;;) await realDisk.writeDurably(${JSON.stringify(path)}, Buffer.alloc(8 << 20, 'new'))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  const watcher = watch(folder, (_, name) => name?.endsWith('.tmp') && child.kill('SIGKILL'))
  await ended
  watcher.close()
}

test('of a write that was killed the file knows nothing, and what is left of it is taken away', async () => {
  const path = join(folder, 'key')
  // A kill may come too late, after the rename.
  while (!readdirSync(folder).some((name) => name.endsWith('.tmp'))) {
    await realDisk.writeDurably(path, 'old')
    await writeAndBeKilled(path)
  }
  expect([3, 8 << 20]).toContain(statSync(path).size)
  await realDisk.removeUnfinished(folder)
  expect(readdirSync(folder)).toEqual(['key'])
})

test.each([
  ['all', {}, []],
  ['those of one file', { of: ['key'] }, ['other.0123456789abcdef.tmp', 'other.fedcba9876543210.tmp']],
  [
    'those that nobody can still be writing',
    { shared: true },
    ['key.fedcba9876543210.tmp', 'other.fedcba9876543210.tmp'],
  ],
])('of unfinished files %s are taken away, and nothing else', async (_, which, left) => {
  const others = ['key', 'key.tmp', 'key.0123456789abcdef', 'notes.tmp', '.0123456789abcdef.tmp']
  for (const name of others) writeFileSync(join(folder, name), '')
  for (const file of ['key', 'other'])
    for (const lot of ['0123456789abcdef', 'fedcba9876543210'])
      writeFileSync(join(folder, `${file}.${lot}.tmp`), '')
  for (const file of ['key', 'other']) utimesSync(join(folder, `${file}.0123456789abcdef.tmp`), 0, 0)
  // The clock was set back since.
  for (const file of ['key', 'other'])
    utimesSync(join(folder, `${file}.fedcba9876543210.tmp`), 4_000_000_000, 4_000_000_000)
  await realDisk.removeUnfinished(folder, which)
  expect(readdirSync(folder).toSorted()).toEqual([...others, ...left].toSorted())
})

test('a folder that is not there holds nothing unfinished', async () => {
  await expect(realDisk.removeUnfinished(join(folder, 'none'))).resolves.toBeUndefined()
})
