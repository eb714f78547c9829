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
import { type Descriptor, OciError, type Repository, verifying } from '../oci/index.ts'
import { treeBytesMax } from './limits.ts'
import type { SlotStore } from './slot-store.ts'

interface Content {
  readonly digest: Digest
  readonly sizeBytes: number
}

export interface Update {
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
  /** What is fetched, the hash tree included. */
  readonly bytes: number
  /** The image. It checks itself: it fails before its end when it is not what was signed for. */
  content(): AsyncIterable<Uint8Array>
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
  return { bytes, content: () => verifying(assemble(update, plan), root.content, 'root image') }
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

async function* assemble(update: Update, plan: readonly PlannedFrame[]): AsyncGenerator<Uint8Array> {
  const total = fetchedBytes(plan)
  let done = 0
  for (const run of runsOf(plan)) {
    const [first] = run
    if (first?.held !== undefined) {
      for (const { held = [] } of run) yield await readHeld(update, held)
      continue
    }
    const bytes = run.reduce((sum, { packedBytes }) => sum + packedBytes, 0)
    const start = first?.offset ?? 0
    const { repository, root } = update
    const packed = repository.blobs.readFrom(root.blob.digest, start, start + bytes)
    yield* unpackFrames(
      counted(packed, (count) => {
        done += count
        update.onBytes(done, total)
      }),
    )
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, count: (bytes: number) => void) {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}

/** Frames side by side that are fetched, or not, together: one request each. */
function runsOf(plan: readonly PlannedFrame[]): readonly (readonly PlannedFrame[])[] {
  const runs: PlannedFrame[][] = []
  for (const frame of plan) {
    const run = runs.at(-1)
    if (run !== undefined && (run[0]?.held === undefined) === (frame.held === undefined)) run.push(frame)
    else runs.push([frame])
  }
  return runs
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
