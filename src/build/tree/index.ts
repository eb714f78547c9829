// Root trees: packages installed as dpkg does, cleaned, and what the definition lays over them.
export { addUsers } from './accounts.ts'
export { stampTimes } from './clamp.ts'
export { filesDigest, layFiles } from './definition-files.ts'
export { LaidTree } from './laid-tree.ts'
export { unitsOf } from './services.ts'
export { listTree, ownersOf, splitPaths } from './tree-split.ts'
export {
  agentKey,
  agentTree,
  extractedTools,
  extractLocked,
  installedTree,
  nodeKey,
  nodeTree,
  packagesKey,
  type TreeContext,
  toolsKey,
} from './trees.ts'
export { trustText } from './trust.ts'
export { keepLaidVar } from './var-content.ts'
