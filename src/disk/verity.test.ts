import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blockBytes } from './limits.ts'
import { hashesOf, leavesOfTree, verityTree } from './verity.ts'

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'ashlar-verity-'))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const uuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617202'

/** Blocks that all differ, without a source of chance. */
function imageOf(blocks: number): Buffer {
  return Buffer.concat(
    Array.from({ length: blocks }, (_, index) => {
      const seed = createHash('sha256').update(String(index)).digest()
      return Buffer.alloc(blockBytes, seed)
    }),
  )
}

test.each([2, 127, 128, 129, 5_000, 128 * 128 + 1])(
  'a tree of %i blocks is what veritysetup makes',
  (blocks) => {
    const image = imageOf(blocks)
    const { tree, roothash } = verityTree(hashesOf(image), uuid)
    const paths = { image: join(scratch, 'image'), tree: join(scratch, 'tree'), root: join(scratch, 'root') }
    writeFileSync(paths.image, image)
    const options = [`--salt=${'0'.repeat(64)}`, `--uuid=${uuid}`, `--root-hash-file=${paths.root}`]
    execFileSync('veritysetup', ['format', ...options, paths.image, paths.tree])
    expect(roothash).toBe(readFileSync(paths.root, 'utf8').trim())
    expect(tree.equals(readFileSync(paths.tree))).toBe(true)
    expect(leavesOfTree(tree, blocks).equals(hashesOf(image))).toBe(true)
  },
)
