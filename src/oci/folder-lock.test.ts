import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { openContentStore } from './content-store.ts'
import { withFolderLock } from './folder-lock.ts'
import { isAlive } from './process-alive.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-alive-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a process', () => {
  test.each([
    [process.pid, true],
    [1, true],
    [2 ** 22, false],
    [2 ** 31, false],
    [0, false],
    [-1, false],
    [1.5, false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
  ])('with the number %s: %s', (pid, expected) => expect(isAlive(realSys, pid)).toBe(expected))
})

test.each(['', 'x', '1e12', '0'])('a lock that says %j is nobody’s, and is taken over', async (content) => {
  writeFileSync(join(folder, '.lock'), content)
  expect(await withFolderLock(realSys, folder, async () => 'done')).toBe('done')
  expect(readdirSync(folder)).toEqual([])
})

test('what killed holders left of a lock and of files goes with the next, and what others do now stays', async () => {
  const live = `.lock.${process.pid}.0123456789abcdef`
  for (const name of [`.lock.${2 ** 22}.0123456789abcdef`, 'index.json.0123456789abcdef.tmp', live])
    writeFileSync(join(folder, name), '')
  await withFolderLock(realSys, folder, async () => undefined)
  expect(readdirSync(folder)).toEqual([live])
})

test('a store is opened whatever lies among what comes in', async () => {
  await openContentStore(realSys, folder)
  writeFileSync(join(folder, 'incoming/.placed-here'), '')
  await openContentStore(realSys, folder)
  expect(readdirSync(join(folder, 'incoming'))).toEqual([])
})
