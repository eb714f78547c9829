// What lies on a node's disk: slots and boot entries, whose file names count tries; images by their frames and hash trees.
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
export { type BlobSource, readFrameTable, readHashTree } from './image-blobs.ts'
export { blockBytes, frameBytes, trialBoots } from './limits.ts'
export { diskPath } from './paths.ts'
export {
  type DiskContent,
  entryOf,
  type LauncherReason,
  launcherReasons,
  type SlotEntry,
  slotsOf,
} from './slots.ts'
export { fetchedBytes, HeldBlocks, type PlannedFrame, planUpdate, updateBytes } from './update-plan.ts'
export { hashBlocks, hashBytes, hashesOf, leavesOfTree, verityTree } from './verity.ts'
export { whenThere } from './when-there.ts'
