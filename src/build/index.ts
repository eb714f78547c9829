// From a definition to a lock, and from a lock to a release: root tree, layers, disk form, bit for bit.
export { type BuildOptions, type BuiltRelease, buildRelease } from './build-release.ts'
export { lockName, readDefinition } from './definition-file.ts'
export { BuildError, type BuildErrorCode } from './errors.ts'
export { fetchLocked } from './fetch-locked.ts'
export { lockDefinition } from './lock-definition.ts'
export type { InputFile, LockOptions } from './lock-options.ts'
export { trustText } from './trust.ts'
