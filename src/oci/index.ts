// Content by digest: the store on disk, manifests, releases as OCI, and the client of a registry.
export { type ContentStore, openContentStore, type StoreBlobs } from './content-store.ts'
export { OciError, type OciErrorCode } from './errors.ts'
export type { IncomingBlob } from './incoming-blob.ts'
export {
  type AnyManifest,
  annotationsOf,
  artifactTypeOf,
  dockerMediaType,
  goJson,
  manifestMediaTypes,
  orderedDescriptor,
  parseAnyManifest,
  parseIndex,
  parseManifest,
  printIndex,
  printManifest,
  referencesOf,
  subjectOf,
} from './manifest.ts'
export { type BlobContent, collect, digestOf, hashing, streamOf, verifying } from './streams.ts'
export type {
  BlobReader,
  BlobWriter,
  Descriptor,
  Index,
  Manifest,
  ManifestBytes,
  Repository,
} from './types.ts'
