// Where the steps of a build work: chambers for programs, and the cache that keeps what they made.
export {
  type Cache,
  type CacheRow,
  cacheKey,
  digestOfFile,
  listCache,
  makeWorkFolder,
  openCache,
  removeEntries,
  unusedEntries,
} from './cache.ts'
export { type Chamber, mortal, runInside, runScript } from './chamber.ts'
export { type CacheCheck, checkCache, type DamagedEntry, removeDamaged } from './check-cache.ts'
export { eachOf, together } from './pool.ts'
export { recipes } from './recipes.ts'
export { toolFailure } from './tool-failure.ts'
