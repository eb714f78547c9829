import { AshlarError } from '../core/index.ts'

export type OciErrorCode =
  /** What was read or written is not what was named. */
  | 'digest-mismatch'
  | 'size-mismatch'
  | 'blob-unknown'
  | 'manifest-unknown'
  | 'manifest-invalid'
  | 'release-malformed'
  | 'content-too-large'
  | 'name-invalid'
  | 'tag-immutable'
  /** The local store. */
  | 'disk-full'
  | 'store-busy'
  /** A registry behind the network. */
  | 'registry-unreachable'
  | 'unauthorized'
  | 'denied'
  | 'ranges-unsupported'
  | 'registry-failed'

export class OciError extends AshlarError<OciErrorCode> {}
