// From a definition to a lock, and from a lock to a release: root tree, layers, disk form, bit for bit.
export { type BuildOptions, type BuiltRelease, buildRelease } from './build-release.ts'
export { type CheckedRelease, checkRelease } from './check-release.ts'
export { BuildError, type BuildErrorCode } from './errors.ts'
export { lockName, readDefinition } from './inputs/index.ts'
export { cacheBytesMax } from './limits.ts'
export { fetchLocked, type InputFile, type LockOptions, lockDefinition, probeMirror } from './lock/index.ts'
export { trustText } from './tree/index.ts'
export {
  type CacheCheck,
  type CacheRow,
  checkCache,
  type DamagedEntry,
  listCache,
  removeDamaged,
  removeEntries,
  unusedEntries,
} from './workshop/index.ts'
