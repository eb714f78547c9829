import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Digest, mediaType } from '../../src/core/index.ts'
import { collect, openContentStore, parseIndex, parseManifest } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { buildShared, lockedStore, shared, sharedStore } from './build/fixture.ts'

let folder: string
let layers: string
let erofs: string
beforeAll(async () => {
  const store = await lockedStore()
  folder = mkdtempSync(join(shared, 'trees-'))
  layers = join(folder, 'layers')
  erofs = join(folder, 'erofs')
  const { digest } = await buildShared(store)
  mkdirSync(layers)
  mkdirSync(erofs)
  const manifests = await manifestsOf(digest)
  const image = manifests.find(({ config }) => config.mediaType === mediaType.config)
  for (const layer of image?.layers ?? [])
    execFileSync('tar', [
      '-xpzf',
      store.blobs.path(layer.digest),
      '-C',
      layers,
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
    ])
  const root = manifests
    .flatMap((manifest) => manifest.layers)
    .find((layer) => layer.mediaType === mediaType.diskRoot)
  if (root === undefined) throw new Error('the release has no root image')
  execFileSync('zstd', ['-q', '-d', store.blobs.path(root.digest), '-o', join(folder, 'root.erofs')])
  execFileSync('mount', ['-t', 'erofs', '-o', 'loop,ro', join(folder, 'root.erofs'), erofs])
})
afterAll(() => {
  execFileSync('sh', ['-c', 'mountpoint -q "$1" && umount "$1" || true', 'sh', erofs])
  rmSync(folder, { recursive: true })
})

async function manifestsOf(digest: Digest) {
  const { blobs } = await openContentStore(realSys, sharedStore)
  const read = (wanted: Digest) => collect(blobs.read(wanted), 1 << 20)
  const index = parseIndex(await read(digest))
  return Promise.all(index.manifests.map(async (entry) => parseManifest(await read(entry.digest))))
}

/** Every entry with kind, mode, owner, size, time, link target and what it is a hard link to, and each file's content and attributes. */
function describeTree(tree: string): string[] {
  const list = execFileSync('find', ['.', '-printf', '%P|%y|%m|%U:%G|%Ts|%l\\n'], {
    cwd: tree,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  return list.split('\n').toSorted()
}

function digestOfTar(tree: string): string {
  const tar = [
    'tar',
    '-c',
    '--sort=name',
    '--numeric-owner',
    '--format=pax',
    '--xattrs',
    '--xattrs-include=security.*',
  ]
  const script = `${tar.join(' ')} --pax-option=exthdr.name=%f,delete=atime,delete=ctime . | sha256sum`
  return execFileSync('bash', ['-o', 'pipefail', '-c', script], { cwd: tree, encoding: 'utf8' })
}

test('the layers and the EROFS image hold the same tree', () => {
  const fromLayers = describeTree(layers)
  expect(fromLayers.length).toBeGreaterThan(5000)
  expect(describeTree(erofs)).toEqual(fromLayers)
  // One stream of both trees compares contents, hard links and extended attributes at once.
  expect(digestOfTar(erofs)).toBe(digestOfTar(layers))
})

test('a file capability is in both', () => {
  for (const tree of [layers, erofs])
    expect(execFileSync('/sbin/getcap', [join(tree, 'usr/bin/ping')], { encoding: 'utf8' })).toContain(
      'cap_net_raw',
    )
})

test('the dpkg database and what packages ship under /var have a second name in /usr', () => {
  const inode = (path: string) => execFileSync('stat', ['-c', '%i', join(erofs, path)], { encoding: 'utf8' })
  expect(inode('usr/lib/sysimage/dpkg/status')).toBe(inode('var/lib/dpkg/status'))
  expect(inode('usr/share/factory/var/www/html/index.html')).toBe(inode('var/www/html/index.html'))
})

test('an outside judge finds nothing wrong with the EROFS image', () => {
  execFileSync('fsck.erofs', [join(folder, 'root.erofs')])
})
