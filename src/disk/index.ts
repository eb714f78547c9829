// The names and states of a node's two slots: boot entries whose file names count tries, and the folder they lie in.
export {
  type BootEntry,
  bless,
  chooseEntry,
  chooseUsable,
  confirmedEntry,
  countDown,
  markBad,
  nextInstallNumber,
  parseEntryName,
  printEntryName,
  trialEntry,
} from './boot-entry.ts'
export {
  condemn,
  DiskError,
  type DiskFolder,
  isDiskFault,
  isDiskFull,
  putEntry,
  readDiskFolder,
  readSeal,
  removeEntry,
  renameEntry,
  requireFolders,
  type SealFiles,
  sealSlot,
  writeWhy,
} from './folder.ts'
export { type Frame, printSeekTable, unpackFrames } from './frames.ts'
export { frameBytes, trialBoots } from './limits.ts'
export { diskPath } from './paths.ts'
export {
  type DiskContent,
  entryOf,
  type LauncherReason,
  launcherReasons,
  type SlotEntry,
  slotsOf,
} from './slots.ts'
export { whenThere } from './when-there.ts'
