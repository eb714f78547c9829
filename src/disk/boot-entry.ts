import { type Digest, shortDigest } from '../core/index.ts'
import { counterDigitsMax, installDigitsMax, trialBoots } from './limits.ts'

/**
 * A boot entry as its file name says it: `<install number>-<12 hex of the release>[+<left>[-<done>]].efi`.
 * The counter follows systemd's "Automatic Boot Assessment"; a confirmed entry has none.
 */
export interface BootEntry {
  /** Grows with each install on a node, so that an older release, too, sorts before what it replaces. */
  readonly install: number
  /** First 12 hex digits of the release's digest. */
  readonly release: string
  readonly counter?: { readonly left: number; readonly done: number }
}

const pattern = new RegExp(
  `^([1-9]\\d{0,${installDigitsMax - 1}})-([0-9a-f]{12})` +
    `(?:\\+(0|[1-9]\\d{0,${counterDigitsMax - 1}})(?:-([1-9]\\d{0,${counterDigitsMax - 1}}))?)?\\.efi$`,
)

/** Reads a file name; undefined for every name that {@link printEntryName} would not have written. */
export function parseEntryName(name: string): BootEntry | undefined {
  const [, install, release, left, done] = pattern.exec(name) ?? []
  if (install === undefined || release === undefined) return undefined
  const counter = left === undefined ? undefined : { left: Number(left), done: Number(done ?? 0) }
  return { install: Number(install), release, ...(counter !== undefined && { counter }) }
}

export function printEntryName({ install, release, counter }: BootEntry): string {
  const done = counter === undefined || counter.done === 0 ? '' : `-${counter.done}`
  const tries = counter === undefined ? '' : `+${counter.left}${done}`
  return `${install}-${release}${tries}.efi`
}

/** The entry of a release that is to be tried. */
export function trialEntry(install: number, release: Digest, boots = trialBoots): BootEntry {
  return { install, release: shortDigest(release), counter: { left: boots, done: 0 } }
}

/** The entry of a release that counts as good from the start: a machine's first. */
export function confirmedEntry(install: number, release: Digest): BootEntry {
  return { install, release: shortDigest(release) }
}

/** What the boot loader renames the entry to before it runs it. An entry without a counter stays as it is. */
export function countDown(entry: BootEntry): BootEntry {
  const { counter } = entry
  if (counter === undefined) return entry
  return { ...entry, counter: { left: Math.max(0, counter.left - 1), done: counter.done + 1 } }
}

/** The boot was good: no counter any more (`systemd-bless-boot good`). */
export function bless({ install, release }: BootEntry): BootEntry {
  return { install, release }
}

/** The boot was bad: no tries left (`systemd-bless-boot bad`). */
export function markBad(entry: BootEntry): BootEntry {
  return { ...entry, counter: { left: 0, done: entry.counter?.done ?? 0 } }
}

/**
 * The entry that systemd-boot would run. Its order (`boot_entry_compare`): entries with no tries left come last, then
 * the greater name wins, which among our names is the greater install number; then more tries left, then fewer done.
 * When all have used up their tries the first of them is run all the same: a machine that starts can be mended.
 */
export function chooseEntry<Entry extends BootEntry>(entries: readonly Entry[]): Entry | undefined {
  return entries.toSorted(byBootOrder)[0]
}

/** The entry that a boot leads to and that has not failed; undefined where all have used up their tries. */
export function chooseUsable<Entry extends BootEntry>(entries: readonly Entry[]): Entry | undefined {
  const first = chooseEntry(entries)
  return first?.counter?.left === 0 ? undefined : first
}

export function nextInstallNumber(entries: readonly BootEntry[]): number {
  return entries.reduce((greatest, entry) => Math.max(greatest, entry.install), 0) + 1
}

function byBootOrder(a: BootEntry, b: BootEntry): number {
  const usedUp = (entry: BootEntry) => (entry.counter?.left === 0 ? 1 : 0)
  const order =
    usedUp(a) - usedUp(b) ||
    b.install - a.install ||
    (a.release < b.release ? 1 : 0) - (a.release > b.release ? 1 : 0)
  if (order !== 0 || a.counter === undefined || b.counter === undefined) return order
  return b.counter.left - a.counter.left || a.counter.done - b.counter.done
}
