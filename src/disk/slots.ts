import { type Digest, type Reason, type Slot, type SlotName, slotNames } from '../core/index.ts'
import type { BootEntry } from './boot-entry.ts'

/** A boot entry with what its content names. */
export interface SlotEntry extends BootEntry {
  readonly slot: SlotName
  readonly digest: Digest
  /** Why it was marked bad; absent where its tries were simply used up. */
  readonly why?: Reason
}

/** Why a launcher marks an entry bad: it could not run what lies on the machine, whatever the release is worth. */
export const launcherReasons = [
  'architecture-missing',
  'mount-failed',
  'release-files-damaged',
  'root-digest-mismatch',
  'slot-unreadable',
] as const
export type LauncherReason = (typeof launcherReasons)[number]

export interface DiskContent {
  readonly entries: readonly SlotEntry[]
  /** The release that lies whole in each slot. */
  readonly held: Readonly<Partial<Record<SlotName, Digest>>>
  /** Install number of the entry that the machine was booted from: its last try is still a try. */
  readonly running?: number | undefined
}

const triesUsedUp: Reason = {
  code: 'boot-tries-used-up',
  message: 'the release was started as often as it may be and never came up whole',
}

/** The state of both slots. A slot is what its newest entry says; without one it is staged, or empty. */
export function slotsOf(disk: DiskContent): Readonly<Record<SlotName, Slot>> {
  const [a, b] = slotNames.map((name) => slotOf(name, disk))
  return { a: a ?? { is: 'empty' }, b: b ?? { is: 'empty' } }
}

/** The entry that a slot's state comes from. */
export function entryOf<Entry extends SlotEntry>(
  slot: SlotName,
  entries: readonly Entry[],
): Entry | undefined {
  return entries.filter((entry) => entry.slot === slot).toSorted((x, y) => y.install - x.install)[0]
}

function slotOf(name: SlotName, { entries, held, running }: DiskContent): Slot {
  const release = held[name]
  const entry = entryOf(name, entries)
  if (release === undefined) return { is: 'empty' }
  if (entry === undefined || entry.digest !== release) return { is: 'staged', release }
  if (entry.why !== undefined) return { is: 'bad', release, why: entry.why }
  if (entry.counter === undefined) return { is: 'good', release }
  if (entry.counter.left === 0 && entry.install !== running) return { is: 'bad', release, why: triesUsedUp }
  return { is: 'trial', release, bootsLeft: entry.counter.left }
}
