import { expect, test } from 'vitest'
import { splitPaths, type TreePath } from './tree-split.ts'

const file = (path: string, inode = path): TreePath => ({ path, inode, folder: false })
const folder = (path: string): TreePath => ({ path, inode: path, folder: true })

const owners = new Map<string, ReadonlySet<number>>(
  Object.entries({
    usr: [0, 1],
    'usr/bin': [0, 1],
    'usr/bin/true': [0],
    'usr/bin/curl': [1],
    'usr/lib/modules': [1],
    'usr/share/empty': [0],
    'etc/both': [0, 1],
    'var/lib/dpkg': [0],
    'var/lib/dpkg/info/true.list': [0],
  }).map(([path, layers]) => [path, new Set(layers)]),
)

const split = (...paths: readonly TreePath[]) => splitPaths(paths, owners, 2)

test.each([
  [
    'a file lies in the layer of its package',
    [file('usr/bin/true')],
    [['.', 'usr', 'usr/bin', 'usr/bin/true'], ['.'], ['.']],
  ],
  [
    'a folder on the way lies in each layer that needs it',
    [folder('usr'), folder('usr/bin'), file('usr/bin/true'), file('usr/bin/curl')],
    [['.', 'usr', 'usr/bin', 'usr/bin/true'], ['.', 'usr', 'usr/bin', 'usr/bin/curl'], ['.']],
  ],
  [
    'an empty folder lies in the layer of its package',
    [folder('usr/share/empty')],
    [['.', 'usr', 'usr/share', 'usr/share/empty'], ['.'], ['.']],
  ],
  [
    'what a package made lies with the folder that is its own',
    [file('usr/lib/modules/modules.dep')],
    [['.'], ['.', 'usr', 'usr/lib', 'usr/lib/modules', 'usr/lib/modules/modules.dep'], ['.']],
  ],
  [
    'what nobody brought lies in the last layer',
    [file('var/made'), file('usr/bin/made')],
    [['.'], ['.'], ['.', 'usr', 'usr/bin', 'usr/bin/made', 'var', 'var/made']],
  ],
  [
    'what two layers claim lies in the last layer',
    [file('etc/both')],
    [['.'], ['.'], ['.', 'etc', 'etc/both']],
  ],
  [
    'names of one file stay together',
    [file('usr/bin/curl', 'x'), file('var/other-name', 'x')],
    [['.'], ['.', 'usr', 'usr/bin', 'usr/bin/curl', 'var', 'var/other-name'], ['.']],
  ],
  [
    'the list of all packages does not lie with what brings its folder: it changes with each of them',
    [file('var/lib/dpkg/status'), file('var/lib/dpkg/info/true.list')],
    [
      ['.', 'var', 'var/lib', 'var/lib/dpkg', 'var/lib/dpkg/info', 'var/lib/dpkg/info/true.list'],
      ['.'],
      ['.', 'var', 'var/lib', 'var/lib/dpkg', 'var/lib/dpkg/status'],
    ],
  ],
  [
    'names of one file that nobody brought stay together, too',
    [file('srv/first', 'y'), file('usr/lib/modules/second', 'y')],
    [['.'], ['.'], ['.', 'srv', 'srv/first', 'usr', 'usr/lib', 'usr/lib/modules', 'usr/lib/modules/second']],
  ],
])('%s', (_, paths, layers) => {
  expect(split(...paths)).toEqual(layers)
})

test('what lies in a folder comes right behind it', () => {
  const [, , rest] = split(file('a.b'), folder('a'), file('a/c'), file('a-b'))
  expect(rest).toEqual(['.', 'a', 'a/c', 'a-b', 'a.b'])
})
