import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../oci/index.ts'
import { realSys } from '../../sys/index.ts'
import { differencesOf } from './layer-difference.ts'

let work: string
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-difference-'))
})
afterEach(() => rmSync(work, { recursive: true }))

/** A layer with one file. */
function layer(name: string, content: Buffer) {
  const file = join(work, name)
  writeFileSync(file, content)
  const entry = {
    path: 'file',
    kind: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1,
    sizeBytes: content.length,
    block: 0,
  } as const
  return {
    entries: [entry],
    contents: { file, from: 0, sizeBytes: content.length, digest: digestOf(content) },
  }
}

test.each([
  ['one byte', Buffer.from('1'), Buffer.from('2'), 'a time or another number of this build stands in it'],
  ['nothing and something', Buffer.from(''), Buffer.from('seeded'), undefined],
  [
    'a time in the head of gzip',
    Buffer.from('1f8b0800000000010003', 'hex'),
    Buffer.from('1f8b0800000000020003', 'hex'),
    'gzip wrote the time into it',
  ],
  [
    'other content in gzip',
    Buffer.from('1f8b080000000001aa03', 'hex'),
    Buffer.from('1f8b080000000001bb03', 'hex'),
    undefined,
  ],
  ['lines in another order', Buffer.from('a\nb\n'), Buffer.from('b\na\n'), 'the same lines in another order'],
])('%s', async (_, one, other, reason) => {
  const [found] = await differencesOf(realSys, layer('one', one), layer('other', other))
  expect(found).toEqual({ path: '/file', what: 'content', ...(reason !== undefined && { reason }) })
})
