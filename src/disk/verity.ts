import { hash } from 'node:crypto'
import { blockBytes } from './limits.ts'

/** The salt of every hash tree. It guards against nothing here, where the root hash is public; a fixed one lets equal blocks of two releases be known by their hashes. */
const veritySalt = Buffer.alloc(32)

export const hashBytes = 32
const salted = Buffer.concat([veritySalt, Buffer.alloc(blockBytes)])

/** The hashes of whole blocks, one after another. */
export function hashesOf(blocks: Uint8Array): Buffer {
  const hashes = Buffer.alloc((blocks.length / blockBytes) * hashBytes)
  hashBlocks(blocks, hashes, 0)
  return hashes
}

/** As {@link hashesOf}, written into `target`. (Linux, Documentation/admin-guide/device-mapper/verity.rst) */
export function hashBlocks(blocks: Uint8Array, target: Buffer, offset: number): void {
  for (let at = 0; at * blockBytes < blocks.length; at++) {
    salted.set(blocks.subarray(at * blockBytes, (at + 1) * blockBytes), veritySalt.length)
    hash('sha256', salted, 'buffer').copy(target, offset + at * hashBytes)
  }
}

/**
 * What `veritysetup format` writes: its superblock, then the tree's levels, topmost first. `leaves` are the hashes of the
 * image's blocks, one after another.
 */
export function verityTree(
  leaves: Buffer,
  uuid: string,
): { readonly tree: Buffer; readonly roothash: string } {
  const levels = [inBlocks(leaves)]
  for (let level = levels[0]; level !== undefined && level.length > blockBytes; level = levels[0])
    levels.unshift(inBlocks(hashesOf(level)))
  const top = hashesOf(levels[0] ?? Buffer.alloc(blockBytes))
  return {
    tree: Buffer.concat([superblockOf(leaves.length / hashBytes, uuid), ...levels]),
    roothash: top.toString('hex'),
  }
}

/** The hashes of the image's blocks, out of a tree of so many; the inverse of {@link verityTree}. */
export function leavesOfTree(tree: Buffer, blocks: number): Buffer {
  const paddedBytes = Math.ceil((blocks * hashBytes) / blockBytes) * blockBytes
  return tree.subarray(tree.length - paddedBytes, tree.length - paddedBytes + blocks * hashBytes)
}

function inBlocks(hashes: Buffer): Buffer {
  const padding = -hashes.length & (blockBytes - 1)
  return Buffer.concat([hashes, Buffer.alloc(padding)])
}

/** cryptsetup, lib/verity/verity.c, `struct verity_sb`. */
function superblockOf(dataBlocks: number, uuid: string): Buffer {
  const block = Buffer.alloc(blockBytes)
  block.write('verity\0\0', 0, 'latin1')
  block.writeUInt32LE(1, 8)
  block.writeUInt32LE(1, 12)
  Buffer.from(uuid.replaceAll('-', ''), 'hex').copy(block, 16)
  block.write('sha256', 32, 'latin1')
  block.writeUInt32LE(blockBytes, 64)
  block.writeUInt32LE(blockBytes, 68)
  block.writeBigUInt64LE(BigInt(dataBlocks), 72)
  block.writeUInt16LE(veritySalt.length, 80)
  veritySalt.copy(block, 88)
  return block
}
