import type { SlotName } from '../core/index.ts'

/** The node's disk as a folder, relative to its root: one layout for whoever writes it, launcher or agent. */
export const diskPath = {
  root: (slot: SlotName) => `${slot}/root.erofs`,
  /** Exists only while the slot is whole: it is taken away first and put in place last. */
  release: (slot: SlotName) => `${slot}/release`,
  releaseFile: { index: 'index.json', manifest: 'manifest.json', document: 'document.json.gz' },
  entries: 'esp/EFI/Linux',
  entry: (name: string) => `esp/EFI/Linux/${name}`,
  /** What must survive a lost `/var`. */
  kept: 'esp/ashlar',
  /** Why the entry with this install number is bad: written before the entry is renamed. */
  why: (install: number) => `esp/ashlar/bad-${install}.json`,
  /** Where node and launcher talk: `prepare` and `boot-complete` are the node's, `prepared` the launcher's. */
  talk: 'launcher',
  prepare: 'launcher/prepare.json',
  prepared: 'launcher/prepared.json',
  bootComplete: 'launcher/boot-complete.json',
} as const
