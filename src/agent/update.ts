import type { Digest, SlotName } from '../core/index.ts'
import {
  blockBytes,
  DiskError,
  fetchedBytes,
  HeldBlocks,
  hashesOf,
  isDiskFault,
  isDiskFull,
  leavesOfTree,
  type PlannedFrame,
  planUpdate,
  readFrameTable,
  readHashTree,
  unpackFrames,
  updateBytes,
} from '../disk/index.ts'
import { type Descriptor, digestOf, OciError, type Repository, verifying } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { forgetOthers, heldBytes, keeping, partialPath } from './download.ts'
import { treeBytesMax } from './limits.ts'
import type { SlotStore } from './slot-store.ts'

interface Content {
  readonly digest: Digest
  readonly sizeBytes: number
}

export interface Update {
  readonly sys: Sys
  /** Where what is fetched is kept until the image is whole, as a whole blob would be. */
  readonly folder: string
  readonly repository: Repository
  readonly slots: SlotStore
  /** Holds the image that blocks are taken from: the one that runs. */
  readonly from: SlotName
  readonly root: { readonly blob: Descriptor; readonly content: Content }
  readonly verity: { readonly blob: Descriptor; readonly content: Content }
  readonly onBytes: (done: number, total: number) => void
}

/** An image that can be put together for less than the whole blob. */
export interface PlannedUpdate {
  /** What is still to be fetched, the hash tree included. */
  readonly bytes: number
  /**
   * The image. It checks itself: it fails before its end when it is not what was signed for. What is fetched for it is
   * kept, so that a killed agent goes on from there.
   */
  content(): AsyncIterable<Uint8Array>
  /** Takes what was kept away. */
  forget(): Promise<void>
}

/**
 * Plans an update from what the node has: the new image's hash tree names each of its blocks, those that lie in the
 * running image are taken from there, and only frames with others are fetched. Nothing here needs to be believed: tree
 * and image are judged by the digests of the signed document, and whatever does not come out right is fetched whole by
 * the caller. Undefined where the whole blob is no more, or the registry's copy has no table of its frames.
 */
export async function planFromHeld(update: Update): Promise<PlannedUpdate | undefined> {
  const { root, verity, repository, slots, from } = update
  const blocks = root.content.sizeBytes / blockBytes
  if (!Number.isInteger(blocks) || verity.content.sizeBytes > treeBytesMax) return undefined
  const frames = await readFrameTable(repository.blobs, root.blob, root.content.sizeBytes)
  if (frames === undefined) return undefined
  const leaves = leavesOfTree(await readHashTree(repository.blobs, verity.blob, verity.content), blocks)
  const plan = planUpdate(frames, leaves, new HeldBlocks(await hashesOfImage(slots.readRoot(from))))
  if (plan === undefined) return undefined
  const bytes = updateBytes(plan, { rootBytes: root.blob.size, verityBytes: verity.blob.size })
  if (bytes === undefined) return undefined
  const missing = missingOf(update, plan)
  const { sys, folder } = update
  return {
    bytes: bytes - Math.min(missing.bytes, await heldBytes(sys, folder, missing.name)),
    content: () => verifying(assemble(update, plan, missing), root.content, 'root image'),
    forget: () => sys.disk.rm(partialPath(folder, missing.name), { force: true }),
  }
}

/** The hash of each block of an image. */
async function hashesOfImage(image: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const hashes: Buffer[] = []
  let rest = Buffer.alloc(0)
  for await (const piece of image) {
    const bytes = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece])
    const whole = bytes.length - (bytes.length % blockBytes)
    hashes.push(hashesOf(bytes.subarray(0, whole)))
    rest = bytes.subarray(whole)
  }
  return Buffer.concat(hashes)
}

/** What of the blob is fetched, in the order of the image. */
interface Missing {
  /** What is kept of it goes by this name: with another running image, other parts would be missing. */
  readonly name: Digest
  readonly ranges: readonly { readonly from: number; readonly to: number }[]
  readonly bytes: number
}

/** Frames side by side are one range: one request each. */
function missingOf({ root }: Update, plan: readonly PlannedFrame[]): Missing {
  const ranges: { from: number; to: number }[] = []
  for (const { held, offset, packedBytes } of plan) {
    if (held !== undefined) continue
    const last = ranges.at(-1)
    if (last?.to === offset) last.to += packedBytes
    else ranges.push({ from: offset, to: offset + packedBytes })
  }
  const name = digestOf(JSON.stringify([root.blob.digest, ranges]))
  return { name, ranges, bytes: fetchedBytes(plan) }
}

async function* assemble(
  update: Update,
  plan: readonly PlannedFrame[],
  missing: Missing,
): AsyncGenerator<Uint8Array> {
  const { sys, folder } = update
  const path = partialPath(folder, missing.name)
  await forgetOthers(sys, path)
  const packed = keeping(sys, path, missing.bytes, (from) => fetchFrom(update, missing, from))
  const fetched = unpackFrames(packed)
  try {
    for (const { held } of plan) {
      const { done, value } =
        held === undefined ? await fetched.next() : { value: await readHeld(update, held) }
      // The image is too short then, and is refused for that.
      if (done) return
      yield value
    }
  } finally {
    await fetched.return(undefined)
  }
}

/** What is missing, without the first `skipped` bytes of it. */
async function* fetchFrom(
  { repository, root, onBytes }: Update,
  { ranges, bytes }: Missing,
  skipped: number,
): AsyncGenerator<Uint8Array> {
  let [done, before] = [skipped, 0]
  for (const { from, to } of ranges) {
    const begin = from + Math.max(0, skipped - before)
    before += to - from
    if (begin >= to) continue
    for await (const chunk of repository.blobs.readFrom(root.blob.digest, begin, to)) {
      done += chunk.length
      onBytes(done, bytes)
      yield chunk
    }
  }
}

/** The blocks with these numbers, one after the other; what lies side by side is read at once. */
async function readHeld({ slots, from }: Update, blocks: readonly number[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let at = 0; at < blocks.length; ) {
    const first = blocks[at] ?? 0
    let count = 1
    while (blocks[at + count] === first + count) count++
    parts.push(await slots.readRange(from, first * blockBytes, count * blockBytes))
    at += count
  }
  return Buffer.concat(parts)
}

/** Whether an update from held blocks failed for what it was made of, so that the whole blob must be fetched. */
export function isUpdateFault(error: unknown): boolean {
  // The running image may be on a disk that fails; a full disk would be full for the whole blob, too.
  if (isDiskFault(error)) return !isDiskFull(error)
  if (error instanceof DiskError) return error.code === 'frame-malformed'
  return (
    error instanceof OciError && /^(?:digest-mismatch|size-mismatch|ranges-unsupported)$/.test(error.code)
  )
}
