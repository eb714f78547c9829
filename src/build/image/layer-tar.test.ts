import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blockBytes } from '../../disk/index.ts'
import { readLayerTar } from './layer-tar.ts'

// What is read here is what GNU tar writes in a build; so the real one writes it.

let tree: string
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'ashlar-tar-'))
})
afterEach(() => rmSync(tree, { recursive: true }))

function lay(path: string, content = ''): string {
  mkdirSync(join(tree, dirname(path)), { recursive: true })
  writeFileSync(join(tree, path), content)
  return join(tree, path)
}

async function read(pieceBytes: number) {
  const options = [
    '--format=pax',
    '--sort=name',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=security.capability',
  ]
  const times = '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'
  const tar = execFileSync('tar', ['-c', ...options, times, '-C', tree, '.'])
  const contents: Uint8Array[] = []
  async function* pieces() {
    for (let at = 0; at < tar.length; at += pieceBytes) yield tar.subarray(at, at + pieceBytes)
  }
  const layer = await readLayerTar(pieces(), async (piece) => void contents.push(piece))
  expect(layer.diffId).toBe(`sha256:${createHash('sha256').update(tar).digest('hex')}`)
  return {
    entries: new Map(layer.entries.map((entry) => [entry.path, entry])),
    contents: Buffer.concat(contents),
  }
}

test.each([100, 512, 10_000, 1 << 20])(
  'names, kinds, owners, times and contents, read %i bytes at a time',
  async (bytes) => {
    const long = `${'deep/'.repeat(30)}${'n'.repeat(150)}`
    lay(long, 'long')
    utimesSync(lay('a', 'x'.repeat(blockBytes + 1)), 1_600_000_000, 1_600_000_000)
    chmodSync(join(tree, 'a'), 0o4711)
    lay('empty')
    linkSync(join(tree, 'a'), join(tree, 'b'))
    symlinkSync(`/${'far/'.repeat(40)}`, join(tree, 'link'))
    const { entries, contents } = await read(bytes)

    expect(entries.get('')).toMatchObject({ kind: 'folder' })
    expect(entries.get('a')).toMatchObject({
      kind: 'file',
      mode: 0o4711,
      mtime: 1_600_000_000,
      sizeBytes: blockBytes + 1,
      block: 0,
    })
    expect(entries.get('b')).toMatchObject({ kind: 'hard-link', target: 'a', sizeBytes: 0 })
    expect(entries.get('link')).toMatchObject({ kind: 'link', target: `/${'far/'.repeat(40)}` })
    expect(entries.get('empty')).toMatchObject({ kind: 'file', sizeBytes: 0 })
    const found = entries.get(long)
    expect(found).toMatchObject({ kind: 'file', sizeBytes: 4, block: 2 })
    expect(contents.length).toBe(3 * blockBytes)
    expect(contents.toString('utf8', 2 * blockBytes, 2 * blockBytes + 4)).toBe('long')
  },
)

test.each([[['.']], [['.dot', '.folder', '.folder/.inside']]])(
  'names that begin with a dot keep it, listed as %j',
  async (names) => {
    lay('.dot')
    lay('.folder/.inside')
    const tar = execFileSync('tar', [
      '-c',
      '-C',
      tree,
      ...(names.length > 1 ? ['--no-recursion'] : []),
      ...names,
    ])
    async function* whole() {
      yield tar
    }
    const { entries } = await readLayerTar(whole(), async () => undefined)
    expect(
      entries
        .map(({ path }) => path)
        .filter(Boolean)
        .toSorted(),
    ).toEqual(['.dot', '.folder', '.folder/.inside'])
  },
)

test('a capability is an attribute', async () => {
  execFileSync('/sbin/setcap', ['cap_net_raw+ep', lay('ping')])
  const { entries } = await read(1 << 20)
  expect(Object.keys(entries.get('ping')?.attributes ?? {})).toEqual(['security.capability'])
})

test('a tar that ends too early is not taken for a whole one', async () => {
  const cut = execFileSync('tar', ['-c', '-C', tree, '.']).subarray(0, 300)
  async function* pieces() {
    yield cut
  }
  await expect(readLayerTar(pieces(), async () => undefined)).rejects.toThrow('ends too early')
})
