import { AshlarError } from '../core/index.ts'

export type SysErrorCode =
  | 'program-missing'
  | 'timed-out'
  | 'connection-failed'
  | 'address-in-use'
  | 'address-unavailable'

export class SysError extends AshlarError<SysErrorCode> {}
