import type { Digest, Reason, ReleaseDocument, SlotName } from '../core/index.ts'
import type { BootEntry, DiskContent, SealFiles, SlotEntry } from '../disk/index.ts'

export type Prepared = { readonly is: 'prepared' } | { readonly is: 'refused'; readonly reason: Reason }

/**
 * The two places of a node for a release, whatever they are made of: folders under systemd-nspawn, partitions and an
 * ESP on a machine with UEFI. Every method is durable when it returns, and can be repeated after a crash.
 */
export interface SlotStore {
  read(): Promise<DiskContent & { readonly entries: readonly SlotEntry[] }>
  /** Takes away what killed processes left half written beside entries and messages. */
  removeLeftovers(): Promise<void>
  /** The document of the release that lies in a slot, checked from its digest downwards; undefined where none is whole and unaltered. */
  document(slot: SlotName): Promise<ReleaseDocument | undefined>
  /** Bytes that a root image may have to fit into this slot. */
  roomBytes(slot: SlotName): Promise<number>
  /** Empties a slot: first its entries, so that nothing boots what is about to be overwritten, then what says that it is whole. */
  clear(slot: SlotName): Promise<void>
  /** Writes the root image. The content checks itself: it fails before its end when it is not what was signed for. */
  writeRoot(slot: SlotName, content: AsyncIterable<Uint8Array>): Promise<void>
  /** The root image as it lies there now, to be hashed again. */
  readRoot(slot: SlotName): AsyncIterable<Uint8Array>
  /** A part of it. */
  readRange(slot: SlotName, from: number, sizeBytes: number): Promise<Uint8Array>
  /** Says that the slot is whole, with the files that prove which release it is. */
  seal(slot: SlotName, files: SealFiles): Promise<void>
  /** The commit point: from here on the boot loader knows this slot's release. Takes older entries of the slot away. */
  commit(slot: SlotName, release: Digest, entry: BootEntry): Promise<void>
  bless(install: number): Promise<void>
  markBad(install: number, why: Reason): Promise<void>
  /** Lets whatever boots the machine check the slot before the old release ends, so that the outage is the bare reboot. */
  prepare(install: number): Promise<Prepared>
  /** Tells whatever boots the machine that this boot came up whole. */
  bootCompleted(install: number): Promise<void>
}
