import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Frame, parseSeekTable, printSeekTable } from './frames.ts'
import { blockBytes } from './limits.ts'
import { fetchedBytes, HeldBlocks, planUpdate, updateBytes } from './update-plan.ts'
import { hashBytes } from './verity.ts'

/** Hashes of blocks that are told apart by a number. */
const hashes = new Map<number, Buffer>()
const leavesOf = (blocks: readonly number[]) =>
  Buffer.concat(
    blocks.map((block) => {
      const hash = hashes.get(block) ?? randomBytes(hashBytes)
      hashes.set(block, hash)
      return hash
    }),
  )
const framesOf = (counts: readonly number[]): Frame[] =>
  counts.map((count) => ({ packedBytes: 100 * count, contentBytes: count * blockBytes }))

test('a frame is fetched when one of its blocks is new, and made of what is there otherwise', () => {
  const held = new HeldBlocks(leavesOf([1, 2, 3, 4]))
  const plan = planUpdate(framesOf([2, 2, 1]), leavesOf([4, 1, 2, 9, 3]), held)
  expect(plan?.map((frame) => frame.held)).toEqual([[3, 0], undefined, [2]])
  expect(plan?.map(({ offset }) => offset)).toEqual([0, 200, 400])
  expect(fetchedBytes(plan ?? [])).toBe(200)
})

test('hashes that only begin alike are not taken for one another', () => {
  const held = leavesOf([1])
  const other = Buffer.from(held)
  other[hashBytes - 1] = (other[hashBytes - 1] ?? 0) ^ 1
  const plan = planUpdate(framesOf([1]), other, new HeldBlocks(held))
  expect(plan?.[0]?.held).toBeUndefined()
})

test.each([
  ['more blocks than the tree', [3]],
  ['fewer blocks than the tree', [1]],
  ['no whole blocks', [0.5, 1.5]],
  ['a frame of nothing', [2, 0]],
  ['more than a frame may hold', [2 ** 20 - 1, 3]],
])('frames of %s are no plan', (_, counts) => {
  expect(planUpdate(framesOf(counts), leavesOf([1, 2]), new HeldBlocks(leavesOf([1])))).toBeUndefined()
})

test('an update that fetches most of the blob is none', () => {
  const plan = planUpdate(framesOf([3, 1]), leavesOf([1, 2, 3, 4]), new HeldBlocks(leavesOf([4]))) ?? []
  expect(updateBytes(plan, { rootBytes: 400, verityBytes: 10 })).toBeUndefined()
  expect(updateBytes(plan, { rootBytes: 4_000, verityBytes: 10 })).toBe(310)
})

test('a table of frames is read as it was written, and nothing else is a table', () => {
  const frame = fc.record({ packedBytes: fc.nat(1e6), contentBytes: fc.nat(1e6) })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 40 }), fc.nat(99), (frames, before) => {
      const table = Buffer.from(printSeekTable(frames))
      const blobBytes = frames.reduce((sum, { packedBytes }) => sum + packedBytes, table.length)
      const tail = Buffer.concat([Buffer.alloc(before, 7), table])
      expect(parseSeekTable(tail, blobBytes)).toEqual(frames)
      expect(parseSeekTable(tail, blobBytes + 1)).toBeUndefined()
      expect(parseSeekTable(tail.subarray(0, -1), blobBytes)).toBeUndefined()
      expect(parseSeekTable(table.subarray(1), blobBytes)).toBeUndefined()
    }),
  )
})

test('whatever the end of a blob says, reading it is quick and gives frames that fit the blob, or none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1e6), (bytes, count) => {
      const footer = Buffer.alloc(9)
      footer.writeUInt32LE(count, 0)
      footer.writeUInt32LE(0x8f92eab1, 5)
      const frames = parseSeekTable(Buffer.concat([bytes, footer]), bytes.length + 9)
      if (frames !== undefined) expect(frames.length * 8).toBeLessThanOrEqual(bytes.length)
    }),
  )
})
