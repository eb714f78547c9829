import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import { ImageTree, mergeLayers } from '../image/image-tree.ts'
import type { LayerEntry } from '../image/layer-tar.ts'
import { withUser } from './accounts.ts'
import { LaidTree } from './laid-tree.ts'
import { unitsOf } from './services.ts'
import { keepLaidVar, parseVarList, pathsOfTmpfiles, tmpfilesOf } from './var-content.ts'

let folder: string
let upper: string
let tree: LaidTree
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const file = { ...own, mode: 0o640 }
const directory = { ...own, mode: 0o750 }

const entry = (path: string, more: Partial<LayerEntry> = {}): LayerEntry => ({
  ...{ path, kind: 'folder', mode: 0o755, mtime: 1, sizeBytes: 0, block: 0, ...own },
  ...more,
})
const lower = [
  ...['usr', 'usr/bin', 'etc', 'etc/systemd', 'etc/systemd/system'].map((path) => entry(path)),
  entry('bin', { kind: 'link', target: 'usr/bin' }),
  entry('settings', { kind: 'link', target: '/etc' }),
  entry('loop', { kind: 'link', target: 'loop' }),
]

/** A tree over an image of folders and links, and of `more`. No file of it is ever read. */
function treeOver(...more: readonly LayerEntry[]): LaidTree {
  const root = mergeLayers([{ entries: [...lower, ...more], firstBlock: 1 }])
  const image = new ImageTree(root, () => Promise.reject(new Error('nothing is to be read')))
  return new LaidTree(realSys, upper, image)
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-laid-'))
  upper = join(folder, 'upper')
  mkdirSync(upper)
  tree = treeOver()
})
afterEach(() => rmSync(folder, { recursive: true }))

const mode = (path: string) => (lstatSync(join(upper, path)).mode & 0o7777).toString(8)

test.each([
  ['a relative link on the way is followed', '/bin/x', 'usr/bin/x'],
  ['an absolute link leads to a place in the image', '/settings/x', 'etc/x'],
  ['dots never lead out of the image', '/../../etc/x', 'etc/x'],
])('%s', async (_, path, placed) => {
  await tree.writeFile(path, 'content', file, directory)
  expect(readFileSync(join(upper, placed), 'utf8')).toBe('content')
  expect(mode(placed)).toBe('640')
  expect(await tree.readText(path)).toBe('content')
})

test('links in a circle are an error', async () => {
  await expect(tree.writeFile('/loop/x', '', file)).rejects.toMatchObject({ code: 'file-missing' })
})

test('a folder of the image keeps its mode, a new one has that of its entry', async () => {
  tree = treeOver(entry('etc', { mode: 0o711 }))
  await tree.writeFile('/etc/new/x', '', file, directory)
  expect(mode('etc')).toBe('711')
  expect(mode('etc/new')).toBe('750')
})

test('a file replaces a link of the image, and not what it points at', async () => {
  tree = treeOver(entry('etc/link', { kind: 'link', target: 'target' }))
  await tree.writeFile('/etc/link', 'own', file, directory)
  expect(lstatSync(join(upper, 'etc/link')).isFile()).toBe(true)
})

test('a file cannot take the place of a folder', async () => {
  await expect(tree.writeFile('/usr/bin', '', file)).rejects.toMatchObject({ code: 'file-missing' })
})

test('a folder cannot be made below a file', async () => {
  tree = treeOver(entry('etc/file', { kind: 'file' }))
  await expect(tree.writeFile('/etc/file/x', '', file)).rejects.toMatchObject({ code: 'file-missing' })
})

test('a link is written as it stands', async () => {
  await tree.writeLink('/etc/localtime', '/usr/share/zoneinfo/UTC', file, directory)
  expect(readlinkSync(join(upper, 'etc/localtime'))).toBe('/usr/share/zoneinfo/UTC')
})

test.each([
  ['a service without its suffix', 'web', ['web.service']],
  ['an instance of a template', 'worker@1.service', ['worker@1.service']],
])('services: %s is found', async (_, service, units) => {
  const known = ['web.service', 'worker@.service']
  tree = treeOver(...known.map((name) => entry(`etc/systemd/system/${name}`, { kind: 'file' })))
  expect(await unitsOf(tree, [service])).toEqual(units)
})

test('services: an unknown one is refused with the nearest', async () => {
  tree = treeOver(entry('etc/systemd/system/nginx.service', { kind: 'file' }))
  await expect(unitsOf(tree, ['ngnix'])).rejects.toMatchObject({
    code: 'service-unknown',
    message: expect.stringContaining('nginx.service'),
  })
})

const databases = {
  passwd: ['root:x:0:0:root:/root:/bin/bash'],
  group: ['root:x:0:', 'adm:x:4:', 'video:x:44:someone'],
  shadow: ['root:*:1::::::'],
  gshadow: ['root:*::', 'adm:*::', 'video:*::'],
}
const user = { name: 'app', uid: 2000, groups: ['video'], home: '/nonexistent', shell: '/usr/sbin/nologin' }

test('users: lines are added to all four databases, and no password is valid', () => {
  expect(withUser(databases, user, 86_400 * 3)).toEqual({
    passwd: [...databases.passwd, 'app:x:2000:2000::/nonexistent:/usr/sbin/nologin'],
    group: ['root:x:0:', 'adm:x:4:', 'video:x:44:someone,app', 'app:x:2000:'],
    shadow: [...databases.shadow, 'app:!*:3::::::'],
    gshadow: ['root:*::', 'adm:*::', 'video:*::app', 'app:!*::'],
  })
})

test.each([
  ['a name that is taken', { ...user, name: 'root' }, 'user-conflict'],
  ['a number that is taken', { ...user, uid: 44 }, 'user-conflict'],
  ['a group that does not exist', { ...user, groups: ['wheel'] }, 'owner-unknown'],
])('users: %s is refused', (_, wrong, code) => {
  expect(() => withUser(databases, wrong, 0)).toThrow(expect.objectContaining({ code }))
})

test('/var: folders, links and files become lines, those that packages write themselves do not', () => {
  const list =
    'd\x00755\x000\x000\x00log\x00\x00f\x00640\x000\x0033\x00www/a b\x00\x00l\x00777\x000\x000\x00run\x00/run\x00d\x001777\x000\x000\x00tmp\x00\x00'
  const known = pathsOfTmpfiles('# remark\nd /var/log 0755 - - -\nq /var/tmp/ 1777 root root 30d\nL /etc/x\n')
  expect([...known]).toEqual(['/var/log', '/var/tmp'])
  expect(tmpfilesOf(parseVarList(list), known)).toBe(
    'L /var/run - - - - /run\nC "/var/www/a b" 0640 0 33 -\n',
  )
})

test('/var: what the definition lays there has a second name in /usr', async () => {
  await tree.writeFile('/var/lib/app/data', 'x', { ...own, mode: 0o600 }, directory)
  await keepLaidVar(realSys, tree, upper)
  const conf = readFileSync(join(upper, 'usr/lib/tmpfiles.d/ashlar-definition.conf'), 'utf8')
  expect(conf).toContain(`C /var/lib/app/data 0600 ${own.uid} ${own.gid} -\n`)
  const inode = (path: string) => lstatSync(join(upper, path)).ino
  expect(inode('usr/share/factory/var/lib/app/data')).toBe(inode('var/lib/app/data'))
})
