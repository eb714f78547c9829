import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { realDisk } from './durable.ts'

const folder = mkdtempSync(join(tmpdir(), 'ashlar-durable-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a durable write succeeds beside what a killed process of the same number left', async () => {
  const path = join(folder, 'state.json')
  for (let write = 1; write <= 5; write++) writeFileSync(`${path}.${process.pid}.${write}.tmp`, 'left')
  await realDisk.writeDurably(path, 'one')
  expect(readFileSync(path, 'utf8')).toBe('one')
})
