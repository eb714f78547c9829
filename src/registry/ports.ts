import type { Digest } from '../core/index.ts'

/** A manifest or index as a repository holds it. Its bytes lie in the content store under `digest`. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  /** What the manifest is about: it then appears among that digest's referrers. */
  readonly subject?: Digest
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** What must be in the repository, with that size, for a manifest to be stored. */
export interface Requirements {
  readonly blobs: readonly { readonly digest: Digest; readonly sizeBytes: number }[]
  readonly manifests: readonly { readonly digest: Digest; readonly sizeBytes: number }[]
}

export interface TagWrite {
  readonly name: string
  /** A write-once tag is set if it is new or already names this digest. */
  readonly writeOnce: boolean
}

export type PutAnswer =
  | { readonly is: 'stored' }
  /** Nothing was stored: the write-once tag names another digest. */
  | { readonly is: 'tag-taken'; readonly tag: string; readonly by: Digest }
  /** Nothing was stored: these are not in the repository, or have another size. */
  | { readonly is: 'missing'; readonly digests: readonly Digest[] }

export type RemoveAnswer =
  | { readonly is: 'removed' }
  | { readonly is: 'unknown' }
  /** Nothing was removed: a tag that `isProtected`, or an index of the repository, still names it. */
  | { readonly is: 'held'; readonly by: string }

/**
 * What the registry must remember beside the bytes. **Each method is one transaction**: it happens whole and durably
 * before its promise resolves, or not at all, and no other call sees half of it. Repositories come into being with the
 * first thing that is put into them. Tags are compared byte by byte and listed in byte order.
 */
export interface RegistryIndex {
  /** Names of the repositories that hold a manifest, in byte order. */
  repositories(): Promise<readonly string[]>

  /** Size of a blob that is a member of the repository. */
  blob(repository: string, digest: Digest): Promise<{ readonly sizeBytes: number } | undefined>
  /** Makes a blob of the content store a member of the repository; again is fine. */
  addBlob(repository: string, digest: Digest, sizeBytes: number): Promise<void>

  manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>
  manifestByTag(repository: string, tag: string): Promise<ManifestRecord | undefined>
  /**
   * Checks the requirements and every tag, then stores the record, what it requires of manifests, and the tags.
   * The record that is there already is replaced by an equal one.
   */
  putManifest(
    repository: string,
    record: ManifestRecord,
    requirements: Requirements,
    tags: readonly TagWrite[],
  ): Promise<PutAnswer>
  /** Removes the manifest and its tags, unless a protected tag or an index that requires it still names it. */
  removeManifest(
    repository: string,
    digest: Digest,
    isProtected: (tag: string) => boolean,
  ): Promise<RemoveAnswer>

  /** Up to `limit` tags that come after `after` in byte order. */
  tags(repository: string, after: string | undefined, limit: number): Promise<readonly string[]>
  /** Removes the tag alone; false when there is none. */
  removeTag(repository: string, tag: string): Promise<boolean>

  /** Manifests of the repository with this subject, oldest first. */
  referrers(repository: string, subject: Digest): Promise<readonly ManifestRecord[]>
}
