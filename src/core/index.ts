// Nouns and pure laws of Ashlar: what a digest, a definition, a lock, a release and a slot are. No world behind them.
export { canonicalJson, hasCanonicalForm, isCanonical, type Json } from './canonical-json.ts'
export {
  counterOf,
  type Definition,
  definitionJsonSchema,
  definitionSchema,
  floorOf,
  type ParsedDefinition,
  parseDefinition,
} from './definition.ts'
export {
  type Digest,
  DigestError,
  digestFromHex,
  digestHex,
  isDigest,
  parseDigest,
  shortDigest,
} from './digest.ts'
export { AshlarError, type ErrorDetail, type Finding, unreachable } from './errors.ts'
export { durationMs, durationSchema, type HealthCheck, healthCheckSchema, longestCheckMs } from './health.ts'
export { jsonOf } from './json.ts'
export {
  type Lock,
  LockError,
  type LockedBase,
  type LockedPackage,
  lockedPackageSchema,
  lockSchema,
  parseLock,
  printLock,
} from './lock.ts'
export { isLoopback } from './loopback.ts'
export { mediaType, predicateType } from './media-types.ts'
export { nearest } from './nearest.ts'
export { isHigher, type Order } from './order.ts'
export { asOneStep, noProgress, type Progress, type ProgressEvent } from './progress.ts'
export { readingYaml, YamlError } from './reading-yaml.ts'
export {
  isRepository,
  isTag,
  MalformedReference,
  parseReference,
  printReference,
  type Reference,
} from './reference.ts'
export {
  type Architecture,
  ArchitectureError,
  architectureOf,
  architectures,
  type DiskForm,
  parseReleaseDocument,
  printReleaseDocument,
  type ReleaseDocument,
  ReleaseDocumentError,
  releaseDocumentSchema,
} from './release-document.ts'
export { otherSlot, type Reason, releaseIn, type Slot, type SlotName, slotNames } from './slot.ts'
export {
  isAbout,
  parseStatement,
  type Statement,
  StatementError,
  statementAbout,
  statementType,
} from './statement.ts'
export { readTolerantly } from './tolerant.ts'
export {
  parseTrustRoot,
  type TrustRole,
  type TrustRoot,
  TrustRootError,
  trustRootSchema,
} from './trust-root.ts'
export { counterOfVersion, isVersion, parseVersion, type Version, VersionError } from './version.ts'
