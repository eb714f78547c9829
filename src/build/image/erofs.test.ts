import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blockBytes } from '../../disk/index.ts'
import { type ImageFolder, type ImageNode, layOutErofs } from './erofs.ts'

// The judge is erofs-utils, which was written by those who defined the format.

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'ashlar-erofs-'))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const inode = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000, attributes: new Map<string, Uint8Array>() }
const folder = (children: Readonly<Record<string, ImageNode>>): ImageFolder => ({
  ...inode,
  kind: 'folder',
  mode: 0o755,
  children: new Map(Object.entries(children)),
})
const link = (target: string): ImageNode => ({ ...inode, kind: 'link', mode: 0o777, target })

/** Lays out files' contents from block 1 on, as a build does. */
class Contents {
  readonly blocks: Buffer[] = []
  file(text: string, more: Partial<typeof inode> = {}): ImageNode {
    const block = 1 + this.blocks.reduce((sum, { length }) => sum + length, 0) / blockBytes
    const bytes = Buffer.from(text)
    this.blocks.push(Buffer.concat([bytes, Buffer.alloc(-bytes.length & (blockBytes - 1))]))
    return { ...inode, ...more, kind: 'file', sizeBytes: bytes.length, block }
  }
}

function writeImage(root: ImageFolder, contents: Contents): string {
  const metadataBlock = 1 + contents.blocks.reduce((sum, { length }) => sum + length, 0) / blockBytes
  const uuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617201'
  const { superblock, metadata } = layOutErofs(root, { metadataBlock, uuid, epochSeconds: 1_700_000_000 })
  const file = join(scratch, 'image.erofs')
  writeFileSync(file, Buffer.concat([superblock, ...contents.blocks, metadata]))
  return file
}

function extract(file: string): string {
  const out = join(scratch, 'out')
  execFileSync('fsck.erofs', [`--extract=${out}`, file])
  return out
}

test('files, folders and links come out as they went in', () => {
  const contents = new Contents()
  const shared = contents.file('under two names')
  const root = folder({
    etc: folder({ hostname: contents.file('ashlar\n'), empty: contents.file('') }),
    'a.txt': contents.file('x'.repeat(3 * blockBytes + 5)),
    'a-': folder({}),
    one: shared,
    two: shared,
    lib: link('usr/lib'),
    far: link(`/${'deep/'.repeat(815)}end`),
  })
  const out = extract(writeImage(root, contents))
  expect(readdirSync(out).toSorted()).toEqual(['a-', 'a.txt', 'etc', 'far', 'lib', 'one', 'two'])
  expect(readFileSync(join(out, 'etc/hostname'), 'utf8')).toBe('ashlar\n')
  expect(readFileSync(join(out, 'etc/empty'), 'utf8')).toBe('')
  expect(readFileSync(join(out, 'a.txt'), 'utf8')).toBe('x'.repeat(3 * blockBytes + 5))
  expect(readlinkSync(join(out, 'lib'))).toBe('usr/lib')
  expect(readlinkSync(join(out, 'far'))).toHaveLength(4 + 815 * 5)
  expect(readFileSync(join(out, 'two'), 'utf8')).toBe('under two names')
})

test('a folder whose names fill many blocks is searched right', () => {
  const contents = new Contents()
  const names = Array.from(
    { length: 3_000 },
    (_, index) => `${index % 7}-${'n'.repeat(index % 200)}-${index}`,
  )
  const root = folder({ many: folder(Object.fromEntries(names.map((name) => [name, contents.file(name)]))) })
  const out = extract(writeImage(root, contents))
  for (const name of names) expect(readFileSync(join(out, 'many', name), 'utf8')).toBe(name)
  expect(readdirSync(join(out, 'many'))).toHaveLength(names.length)
})

test('mode, owner, time, links and the capability of a file are in its inode', () => {
  const contents = new Contents()
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
  const ping = contents.file('ping', {
    mode: 0o750,
    uid: 33,
    gid: 70_000,
    attributes: new Map([['security.capability', capability]]),
  })
  const file = writeImage(folder({ bin: folder({ ping, pong: ping }) }), contents)
  const dump = execFileSync('dump.erofs', ['--path=/bin/ping', file], { encoding: 'utf8' })
  expect(dump).toMatch(/Uid: 33 +Gid: 70000 +Access: 0750/)
  expect(dump).toMatch(/Timestamp: 2023-11-14 22:13:20/)
  expect(dump).toMatch(/Links: 2/)
  expect(dump).toMatch(/Xattr size: 48/)
})
