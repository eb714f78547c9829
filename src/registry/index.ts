// An OCI distribution server over a content store: what it remembers is a port, who may what is an argument.
export { RegistryError, type RegistryErrorCode } from './errors.ts'
export type { Principal, RegistryParts, StoredManifest } from './exchange.ts'
export type {
  ManifestRecord,
  PutAnswer,
  RegistryIndex,
  RemoveAnswer,
  Requirements,
  TagWrite,
} from './ports.ts'
export { createRegistry } from './registry.ts'
export { type TagRule, tagRuleOf } from './tag-rule.ts'
