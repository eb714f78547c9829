// An OCI distribution server over a content store: what it remembers is a port, who may what is an argument.
export type {
  ManifestRecord,
  PutAnswer,
  RegistryIndex,
  RemoveAnswer,
  Requirements,
  TagWrite,
} from './ports.ts'
