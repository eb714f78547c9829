// Content by digest: the store on disk, manifests, releases as OCI, and the client of a registry.

export { assembleRelease, type ReleaseParts } from './assemble-release.ts'
export { ByteSource } from './byte-source.ts'
export {
  type CheckOptions,
  checkStore,
  type ExpectedBlob,
  type StoreCheck,
  type StoreFault,
  type StoreFaultCode,
} from './check-store.ts'
export { type ContentStore, openContentStore, type StoreBlobs } from './content-store.ts'
export { type CopyOptions, copyRelease } from './copy-release.ts'
export { OciError, type OciErrorCode } from './errors.ts'
export type { IncomingBlob } from './incoming-blob.ts'
export { manifestBytesMax } from './limits.ts'
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
export { fetchAgain, listAnew, setAside } from './mend-store.ts'
export { isAlive } from './process-alive.ts'
export { attachBundle, bundlesOf } from './referrers.ts'
export type { RemoteOptions } from './registry-http.ts'
export { type OciDisk, type OciRelease, type ReleaseFiles, readRelease, readReleaseFiles } from './release.ts'
export { openRemoteRepository } from './remote-repository.ts'
export { type BlobContent, collect, digestOf, streamOf, verifying } from './streams.ts'
export type {
  BlobReader,
  BlobWriter,
  Descriptor,
  Index,
  Manifest,
  ManifestBytes,
  Repository,
  RepositoryReader,
} from './types.ts'
