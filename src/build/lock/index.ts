// From a definition to its lock: the archive asked, dependencies solved, every input fetched and judged.
export { fetchLocked } from './fetch-locked.ts'
export { lockDefinition } from './lock-definition.ts'
export type { InputFile, LockOptions } from './lock-options.ts'
export { probeMirror } from './mirror-probe.ts'
