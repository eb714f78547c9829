import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Architecture,
  AshlarError,
  type Digest,
  digestFromHex,
  type Reason,
  type SlotName,
} from '../../core/index.ts'
import { diskPath, readSeal } from '../../disk/index.ts'
import { readReleaseFiles } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { hashPieceBytes } from '../limits.ts'
import { whenThere } from '../machine-folder.ts'

export type SlotCheck =
  | { readonly is: 'good'; readonly root: Digest; readonly seconds: number }
  | { readonly is: 'bad'; readonly reason: Reason }

/**
 * Compares the root image of a slot with what the release's digest says it must be: digest → index → document → root.
 * A file that was hashed is not hashed again while device, inode, size and change time are the same: no write and no
 * exchange leaves the change time as it was.
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

  async check(slot: SlotName, release: Digest): Promise<SlotCheck> {
    const startedMs = this.#sys.clock.monotonicMs()
    const expected = await this.#expected(slot, release)
    if (typeof expected !== 'string') return { is: 'bad', reason: expected }
    const actual = await this.#hash(slot)
    if (actual === expected)
      return { is: 'good', root: actual, seconds: (this.#sys.clock.monotonicMs() - startedMs) / 1_000 }
    return {
      is: 'bad',
      reason: {
        code: 'root-digest-mismatch',
        message: `the root image in slot ${slot} is ${actual ?? 'missing'}, and the release says ${expected}`,
      },
    }
  }

  /** What the release says, if the files beside the image are those of that release. */
  async #expected(slot: SlotName, release: Digest): Promise<Digest | Reason> {
    const files = await readSeal(this.#sys.disk, this.#disk, slot)
    if (files === undefined) return { code: 'release-files-damaged', message: `slot ${slot} is not whole` }
    try {
      const document = readReleaseFiles(files, release)
      const disk = document.disks[this.#architecture]
      return (
        disk?.root.digest ?? {
          code: 'architecture-missing',
          message: 'the release has no image for this machine',
        }
      )
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error
      return { code: 'release-files-damaged', message: `slot ${slot}: ${error.message}` }
    }
  }

  async #hash(slot: SlotName): Promise<Digest | undefined> {
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

function stampOf(stat: { dev: bigint; ino: bigint; size: bigint; ctimeNs: bigint }): string {
  return [stat.dev, stat.ino, stat.size, stat.ctimeNs].join(' ')
}
