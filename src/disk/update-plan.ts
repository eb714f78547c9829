import type { Frame } from './frames.ts'
import { blockBytes, frameBytes, updateShareMax } from './limits.ts'
import { hashBytes } from './verity.ts'

/** The blocks of an image that is there already, by their hashes. */
export class HeldBlocks {
  readonly #leaves: Buffer
  /** The first bytes of a hash tell blocks apart; where they do not, one of two equal beginnings is not found. */
  readonly #blocks = new Map<string, number>()

  constructor(leaves: Buffer) {
    this.#leaves = leaves
    for (let block = 0; block * hashBytes < leaves.length; block++)
      this.#blocks.set(beginning(leaves, block), block)
  }

  /** The number of a block with the hash that block `wanted` has in `leaves`. */
  find(leaves: Buffer, wanted: number): number | undefined {
    const block = this.#blocks.get(beginning(leaves, wanted))
    if (block === undefined) return undefined
    const hash = leaves.subarray(wanted * hashBytes, (wanted + 1) * hashBytes)
    return hash.equals(this.#leaves.subarray(block * hashBytes, (block + 1) * hashBytes)) ? block : undefined
  }
}

function beginning(leaves: Buffer, block: number): string {
  return leaves.toString('latin1', block * hashBytes, block * hashBytes + 12)
}

/** What becomes of one frame of a new image: it is fetched, or put together from blocks that are there. */
export type PlannedFrame = Frame & {
  /** In the blob. */
  readonly offset: number
  /** For each of its blocks the number of an equal one that is there; absent where the frame is fetched. */
  readonly held?: readonly number[]
}

/**
 * Which frames of a new image must be fetched by who holds these blocks. The same plan tells the agent what to do and
 * the build how much that is. Undefined where the frames are not those of an image of so many blocks.
 */
export function planUpdate(
  frames: readonly Frame[],
  leaves: Buffer,
  held: HeldBlocks,
): readonly PlannedFrame[] | undefined {
  const planned: PlannedFrame[] = []
  let [offset, block] = [0, 0]
  for (const frame of frames) {
    // The table is only a claim: frames of gigabytes would have this list their blocks until memory ends.
    if (frame.contentBytes === 0 || frame.contentBytes > frameBytes) return undefined
    if (frame.contentBytes % blockBytes !== 0) return undefined
    const blocks = Array.from({ length: frame.contentBytes / blockBytes }, (_, index) =>
      held.find(leaves, block + index),
    )
    const known = blocks.filter((found) => found !== undefined)
    planned.push({ ...frame, offset, ...(known.length === blocks.length && { held: known }) })
    offset += frame.packedBytes
    block += blocks.length
  }
  return block * hashBytes === leaves.length ? planned : undefined
}

/** Bytes of the root image's blob that a plan fetches. */
export function fetchedBytes(plan: readonly PlannedFrame[]): number {
  return plan.reduce((sum, { held, packedBytes }) => sum + (held === undefined ? packedBytes : 0), 0)
}

/** Bytes of frames and hash tree that an update fetches; undefined where the whole blob is as good. */
export function updateBytes(
  plan: readonly PlannedFrame[],
  blobs: { readonly rootBytes: number; readonly verityBytes: number },
): number | undefined {
  const bytes = fetchedBytes(plan) + blobs.verityBytes
  return bytes > blobs.rootBytes * updateShareMax ? undefined : bytes
}
