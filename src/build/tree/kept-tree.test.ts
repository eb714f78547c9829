import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import { keepTree, layTree } from './kept-tree.ts'

let work: string
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-kept-'))
})
afterEach(() => rmSync(work, { recursive: true }))

/** All that a package may bring, and names that a shell or a locale could stumble over; made in the given order. */
function makeTree(name: string, order: 'forwards' | 'backwards'): string {
  const tree = join(work, name)
  mkdirSync(join(tree, 'empty folder'), { recursive: true })
  const names = ['-rf', 'a\nline', 'größe', '.hidden', 'tool']
  for (const file of order === 'forwards' ? names : names.toReversed()) {
    writeFileSync(join(tree, file), file)
    utimesSync(join(tree, file), 1, 1_700_000_000)
  }
  chmodSync(join(tree, 'tool'), 0o4750)
  execFileSync('chown', ['33:8', join(tree, 'größe')])
  execFileSync('/sbin/setcap', ['cap_net_raw+ep', join(tree, '.hidden')])
  linkSync(join(tree, 'tool'), join(tree, 'again'))
  symlinkSync('/nowhere', join(tree, 'link'))
  execFileSync('mkfifo', [join(tree, 'pipe')])
  execFileSync('find', [tree, '-exec', 'touch', '--no-dereference', '--date=@1', '{}', '+'])
  return tree
}

const listScript = `cd "$1"
find . -printf '%y %m %U %G %n %T@ %s %l %p\\0' | sort -z
find . -type f -print0 | sort -z | xargs -0 sha256sum
/sbin/getcap -r .`

const listed = (tree: string) => execFileSync('sh', ['-c', listScript, 'sh', tree], { encoding: 'utf8' })

test('a tree comes back with all that a later package could see', async () => {
  const tree = makeTree('tree', 'forwards')
  const again = join(work, 'again')
  mkdirSync(again)
  await keepTree(realSys, tree, join(work, 'kept.tar'))
  await layTree(realSys, join(work, 'kept.tar'), again)
  expect(listed(again)).toBe(listed(tree))
  expect(listed(again)).toContain('cap_net_raw')
})

test('equal trees are kept as equal files, in whatever order they were made', async () => {
  for (const order of ['forwards', 'backwards'] as const)
    await keepTree(realSys, makeTree(order, order), join(work, `${order}.tar`))
  expect(readFileSync(join(work, 'forwards.tar')).equals(readFileSync(join(work, 'backwards.tar')))).toBe(
    true,
  )
})
