import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cleanTree } from '../../src/build/tree/clean.ts'
import { extractInside } from '../../src/build/tree/extract.ts'
import { installFirst } from '../../src/build/tree/install.ts'
import { extractedTools } from '../../src/build/tree/trees.ts'
import { openCache, runInside } from '../../src/build/workshop/index.ts'
import { type Lock, noProgress } from '../../src/core/index.ts'
import { openContentStore, streamOf } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { type CraftedEntry, craftPackage, craftTar } from '../../src/testing/index.ts'

let folder: string
let root: string
let packages: string
/** Stands for the host's /etc. */
let canary: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-extract-'))
  ;[root, packages, canary] = ['root', 'packages', 'canary'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [root, packages, canary]) mkdirSync(path)
})
afterEach(() => rmSync(folder, { recursive: true }))

async function extract(name: string, entries: readonly CraftedEntry[]): Promise<void> {
  writeFileSync(join(packages, `${name}.deb`), craftPackage(craftTar(entries)))
  await extractInside(realSys, root, packages, [name])
}

test('files, links, owners, modes and times come as they are in the packages, into a merged /usr', async () => {
  await extract('a', [
    { name: './bin/' },
    { name: './bin/tool', mode: 0o4755, uid: 33, content: 'tool' },
    { name: './bin/again', type: '1', target: './bin/tool' },
    { name: './etc/link', type: '2', target: '/usr/bin/tool' },
  ])
  const tool = lstatSync(join(root, 'usr/bin/tool'))
  expect([tool.mode & 0o7777, tool.uid, tool.mtimeMs, tool.nlink]).toEqual([0o4755, 33, 0, 2])
  expect(lstatSync(join(root, 'bin')).isSymbolicLink()).toBe(true)
  expect(readdirSync(root).toSorted()).toEqual([
    'bin',
    'dev',
    'etc',
    'lib',
    'lib64',
    'proc',
    'run',
    'sbin',
    'sys',
    'tmp',
    'usr',
  ])
})

test.each([
  ['an absolute link', (path: string) => path],
  ['a relative link', (path: string) => `${'../'.repeat(12)}${path}`],
])('%s of one package leads the file of another to a place in the image', async (_, targetOf) => {
  mkdirSync(join(root, canary), { recursive: true })
  await extract('a', [{ name: './usr/share/x', type: '2', target: targetOf(canary) }])
  await extract('b', [{ name: './usr/share/x/passwd', content: 'evil' }])
  expect(readdirSync(canary)).toEqual([])
  expect(readFileSync(join(root, canary, 'passwd'), 'utf8')).toBe('evil')
})

test('a link to what only the host has leads nowhere', async () => {
  await extract('a', [{ name: './usr/share/x', type: '2', target: canary }])
  await expect(extract('b', [{ name: './usr/share/x/passwd', content: 'evil' }])).rejects.toMatchObject({
    code: 'tool-failed',
  })
  expect(readdirSync(canary)).toEqual([])
})

test('the libraries of the host are used, not those that a package brings', async () => {
  await extract('a', [{ name: './usr/lib/libc.so.6', mode: 0o755, content: 'no library' }])
  await extract('b', [{ name: './usr/share/late', content: 'late' }])
  expect(existsSync(join(root, 'usr/share/late'))).toBe(true)
})

test('a package that is cut off is an error, and no mount stays', async () => {
  const whole = craftPackage(craftTar([{ name: './file', content: 'x'.repeat(100_000) }]))
  writeFileSync(join(packages, 'cut.deb'), whole.subarray(0, 50_000))
  await expect(extractInside(realSys, root, packages, ['cut'])).rejects.toMatchObject({ code: 'tool-failed' })
  expect(execFileSync('findmnt', ['--noheadings', '--output', 'TARGET'], { encoding: 'utf8' })).not.toContain(
    folder,
  )
})

test('a package that puts a link in the place of the database of packages writes nothing on the host', async () => {
  writeFileSync(
    join(packages, 'a.deb'),
    craftPackage(craftTar([{ name: './var/lib', type: '2', target: canary }])),
  )
  const scratch = join(folder, 'scratch')
  mkdirSync(scratch)
  const installation = {
    tree: root,
    folder: packages,
    scratch,
    epochSeconds: 1,
    onInstalled: () => undefined,
  }
  const control = { name: 'a', essential: true, depends: [], preDepends: [], provides: [] }
  // There is no dpkg in it, so it comes no further.
  await expect(installFirst(realSys, installation, [control])).rejects.toMatchObject({ code: 'tool-failed' })
  expect(readdirSync(canary)).toEqual([])
  expect(readdirSync(join(root, canary, 'dpkg')).toSorted()).toEqual(['info', 'status', 'updates'])
})

test('a tree with a link in the place of a folder that is emptied is refused, and nothing on the host removed', async () => {
  await extract('a', [{ name: './usr/bin/tool', content: 'tool' }])
  rmSync(join(root, 'sys'), { recursive: true })
  await extract('b', [{ name: './sys', type: '2', target: canary }])
  writeFileSync(join(canary, 'kept'), '')
  await expect(cleanTree(realSys, { root, epochSeconds: 1 })).rejects.toMatchObject({
    code: 'archive-hostile',
    where: '/sys',
  })
  expect(readdirSync(canary)).toEqual(['kept'])
})

test('nothing is mounted where a link stands for a folder', async () => {
  rmSync(join(root, 'proc'), { recursive: true, force: true })
  await extract('a', [{ name: './usr/bin/tool', content: 'tool' }])
  rmSync(join(root, 'proc'), { recursive: true })
  symlinkSync(canary, join(root, 'proc'))
  await expect(runInside(realSys, { root, epochSeconds: 1 }, ['/usr/bin/tool'])).rejects.toMatchObject({
    message: expect.stringContaining('/proc is a link'),
  })
})

test('programs of the build are found in the image, wherever its links lead', async () => {
  const tools = craftPackage(
    craftTar([
      { name: './etc', type: '2', target: canary },
      { name: './usr/' },
      { name: './usr/share/' },
      { name: './usr/share/base-passwd/' },
      { name: './usr/share/base-passwd/passwd.master', content: 'evil' },
      { name: './usr/share/base-passwd/group.master', content: 'evil' },
    ]),
  )
  const { blobs } = await openContentStore(realSys, join(folder, 'store'))
  const { digest, sizeBytes } = await blobs.ingest(streamOf(tools))
  const locked = {
    name: 'a',
    version: '1',
    architecture: 'all',
    source: 'a',
    archive: 'debian',
    path: 'pool/a.deb',
  } as const
  const cache = await openCache(realSys, join(folder, 'cache'), true)
  const lock = { epochSeconds: 1, tools: [{ ...locked, digest, sizeBytes }] } as unknown as Lock
  const tree = await extractedTools({ sys: realSys, blobs, cache, lock, progress: noProgress })
  expect(readdirSync(canary)).toEqual([])
  expect(readFileSync(join(tree, canary, 'passwd'), 'utf8')).toBe('evil')
  await cache.close()
})
