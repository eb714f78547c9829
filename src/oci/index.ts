// Content by digest: the store on disk, manifests, releases as OCI, and the client of a registry.
export type {
  BlobReader,
  BlobWriter,
  Descriptor,
  Index,
  Manifest,
  ManifestBytes,
  Repository,
} from './types.ts'
