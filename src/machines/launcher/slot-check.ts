import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Architecture,
  AshlarError,
  type Digest,
  digestFromHex,
  longestCheckMs,
  type Reason,
  type ReleaseDocument,
  type SlotName,
} from '../../core/index.ts'
import { diskPath, isDiskFault, type LauncherReason, readSeal, whenThere } from '../../disk/index.ts'
import { readReleaseFiles } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { hashPieceBytes } from '../limits.ts'

export type SlotCheck =
  | {
      readonly is: 'good'
      readonly root: Digest
      readonly seconds: number
      /** How long the release's own health checks may take. */
      readonly longestCheckMs: number
    }
  | { readonly is: 'bad'; readonly reason: Reason & { readonly code: LauncherReason } }

/**
 * Compares the root image of a slot with what the release's digest says it must be: digest → index → document → root.
 * A file that was hashed is not hashed again while device, inode, size and change time are the same. That finds damage
 * and ordinary writes. It is no proof against root in the machine, who can hold the file mapped since before the check.
 */
export class SlotChecker {
  readonly #sys: Sys
  readonly #disk: string
  readonly #architecture: Architecture
  readonly #hashed = new Map<SlotName, { readonly stamp: string; readonly digest: Digest }>()

  constructor(sys: Sys, disk: string, architecture: Architecture) {
    this.#sys = sys
    this.#disk = disk
    this.#architecture = architecture
  }

  /** `advance` is told of each piece of the image that was hashed. */
  async check(
    slot: SlotName,
    release: Digest,
    advance: (bytes: number) => void = () => undefined,
  ): Promise<SlotCheck> {
    try {
      return await this.#compare(slot, release, advance)
    } catch (error) {
      // The disk fails (EIO), or holds a folder where a file must be: this slot is lost, the other may be good.
      if (!isDiskFault(error)) throw error
      return bad('slot-unreadable', `slot ${slot} cannot be read: ${error.message}`)
    }
  }

  async #compare(slot: SlotName, release: Digest, advance: (bytes: number) => void): Promise<SlotCheck> {
    const startedMs = this.#sys.clock.monotonicMs()
    const document = await this.#document(slot, release)
    if ('is' in document) return document
    const expected = document.disks[this.#architecture]?.root.digest
    if (expected === undefined)
      return bad('architecture-missing', 'the release has no image for this machine')
    const actual = await this.#hash(slot, advance)
    if (actual !== expected)
      return bad(
        'root-digest-mismatch',
        `the root image in slot ${slot} is ${actual ?? 'missing'}, and the release says ${expected}`,
      )
    const seconds = (this.#sys.clock.monotonicMs() - startedMs) / 1_000
    return { is: 'good', root: actual, seconds, longestCheckMs: longestCheckMs(document.health) }
  }

  /** What the release says, if the files beside the image are those of that release. */
  async #document(slot: SlotName, release: Digest): Promise<ReleaseDocument | SlotCheck> {
    const files = await readSeal(this.#sys.disk, this.#disk, slot)
    if (files === undefined) return bad('release-files-damaged', `slot ${slot} is not whole`)
    try {
      return readReleaseFiles(files, release)
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error
      return bad('release-files-damaged', `slot ${slot}: ${error.message}`)
    }
  }

  async #hash(slot: SlotName, advance: (bytes: number) => void): Promise<Digest | undefined> {
    const path = join(this.#disk, diskPath.root(slot))
    const file = await whenThere(this.#sys.disk.open(path, 'r'))
    if (file === undefined) return undefined
    try {
      const before = stampOf(await file.stat({ bigint: true }))
      const known = this.#hashed.get(slot)
      if (known?.stamp === before) return known.digest
      const hash = createHash('sha256')
      const piece = Buffer.allocUnsafe(hashPieceBytes)
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, piece.length)
        if (bytesRead === 0) break
        hash.update(piece.subarray(0, bytesRead))
        advance(bytesRead)
      }
      const digest = digestFromHex(hash.digest('hex'))
      // Written to while it was read: the digest is of no one content, and must not be remembered.
      if (stampOf(await file.stat({ bigint: true })) === before)
        this.#hashed.set(slot, { stamp: before, digest })
      return digest
    } finally {
      await file.close()
    }
  }
}

function bad(code: LauncherReason, message: string): SlotCheck {
  return { is: 'bad', reason: { code, message } }
}

function stampOf(stat: { dev: bigint; ino: bigint; size: bigint; ctimeNs: bigint }): string {
  return [stat.dev, stat.ino, stat.size, stat.ctimeNs].join(' ')
}
