import { AshlarError } from '../core/index.ts'

export type StoreErrorCode =
  /** The resource is not in the version that the writer had read. */
  | 'conflict'
  /** A one-time token that was used, has expired, or never was. */
  | 'token-spent'
  | 'database-corrupt'
  | 'database-too-new'
  | 'database-in-use'
  | 'disk-full'
  | 'database-failed'

export class StoreError extends AshlarError<StoreErrorCode> {}
