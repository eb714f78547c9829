import type { Digest } from '../core/index.ts'

/** image-spec, "OCI Content Descriptors". Field order is that of the Go reference types: copiers write it so. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: { readonly architecture: string; readonly os: string }
  /** Only in the answers of the referrers API. */
  readonly artifactType?: string
}

/** image-spec, "OCI Image Manifest". */
export interface Manifest {
  readonly schemaVersion: 2
  readonly mediaType: string
  readonly artifactType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** image-spec, "OCI Image Index". */
export interface Index {
  readonly schemaVersion: 2
  readonly mediaType: string
  /** Others' only: a release has none, see ARCHITECTURE.md. */
  readonly artifactType?: string
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** The exact bytes of a manifest or index, under the digest that they have. */
export interface ManifestBytes {
  readonly mediaType: string
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** Reads blobs. What it yields is checked: a stream that ends well had the digest that was asked for. */
export interface BlobReader {
  /** Size of a blob that is there, else undefined. */
  stat(digest: Digest): Promise<{ readonly sizeBytes: number } | undefined>
  /** @throws OciError `blob-unknown`, `digest-mismatch` (at the stream's end at the latest, before it ends well) */
  read(digest: Digest): AsyncIterable<Uint8Array>
  /**
   * The blob from a byte on, up to and without `to`, **unchecked**: a caller that holds the rest compares the whole
   * with the digest. @throws OciError `blob-unknown`
   */
  readFrom(digest: Digest, offset: number, to?: number): AsyncIterable<Uint8Array>
}

/** Writes blobs. After `write` returns, the blob is whole, has that digest, and is durable. */
export interface BlobWriter {
  /** @throws OciError `digest-mismatch`, `size-mismatch`; then nothing was stored */
  write(digest: Digest, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void>
}

/** What reading a release needs of a repository. */
export interface RepositoryReader {
  readonly name: string
  readonly blobs: BlobReader
  /** By tag or digest; the bytes are checked against a digest. Undefined when it is not there. */
  manifest(tagOrDigest: string): Promise<ManifestBytes | undefined>
}

/** One repository, be it in the local store or behind a registry's HTTP API. */
export interface Repository {
  readonly name: string
  readonly blobs: BlobReader & BlobWriter
  /** By tag or digest; the bytes are checked against a digest. Undefined when it is not there. */
  manifest(tagOrDigest: string): Promise<ManifestBytes | undefined>
  /** Stores a manifest whose blobs are there. @throws OciError `tag-immutable`, `manifest-invalid`, `blob-unknown` */
  putManifest(bytes: Uint8Array, mediaType: string, tag?: string): Promise<Digest>
  /** Manifests whose `subject` is this digest. */
  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]>
  tags(): Promise<readonly string[]>
}
