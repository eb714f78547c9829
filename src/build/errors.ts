import { AshlarError, type ErrorDetail, type Finding } from '../core/index.ts'

export type BuildErrorCode =
  | 'archive-busy'
  | 'archive-expired'
  | 'archive-hostile'
  | 'archive-incomplete'
  | 'archive-invalid'
  | 'archive-key-expired'
  | 'archive-key-revoked'
  | 'archive-key-unknown'
  | 'archive-unreachable'
  | 'base-unfit'
  | 'base-unreachable'
  | 'chroot-bare'
  | 'clock-behind'
  | 'containerfile-invalid'
  | 'context-changed'
  | 'definition-invalid'
  | 'definition-missing'
  | 'dependencies-unmet'
  | 'disk-full'
  | 'file-missing'
  | 'hash-mismatch'
  | 'input-missing'
  | 'kernel-missing'
  | 'key-invalid'
  | 'kind-unknown'
  | 'lock-missing'
  | 'lock-stale'
  | 'mirror-unknown'
  | 'network-refused'
  | 'owner-unknown'
  | 'package-unknown'
  | 'root-required'
  | 'run-failed'
  | 'run-missing'
  | 'service-unknown'
  | 'tool-failed'
  | 'user-conflict'

export class BuildError extends AshlarError<BuildErrorCode> {
  /** Every finding, where the definition was refused. */
  readonly findings: readonly Finding[]

  constructor(
    code: BuildErrorCode,
    message: string,
    detail: ErrorDetail & { readonly findings?: readonly Finding[] } = {},
  ) {
    super(code, message, detail)
    this.findings = detail.findings ?? []
  }
}
