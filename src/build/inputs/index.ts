// What a build is asked for: the definition, its Containerfile, its lock and the inputs that this names.
export { requireClock } from './clock.ts'
export {
  type ContainerfileContent,
  contextOf,
  readContainerfile,
  readContainerfileContent,
  stageContext,
} from './containerfile-source.ts'
export { type DefinitionFile, definitionName, lockName, readDefinition } from './definition-file.ts'
export { inputsOf, type LockFile, readLock, requireInputs, takeInput, takePackages } from './lock-file.ts'
export { imageRoots, isBasePackage, requestOf, toolRoots } from './roots.ts'
