// From a living Debian system to a definition: observe it read-only, plan purely, and name all that stays behind.
export { type Adoption, type AdoptOptions, adopt } from './adopt.ts'
export { AdoptError } from './errors.ts'
export { parseTarget, type Target } from './target.ts'
