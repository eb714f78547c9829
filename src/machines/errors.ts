import { AshlarError } from '../core/index.ts'

export class MachineError extends AshlarError<
  | 'machine-exists'
  | 'machine-unknown'
  | 'machine-running'
  | 'machine-not-running'
  | 'machine-malformed'
  | 'machine-failed'
  | 'name-invalid'
  | 'network-full'
  | 'release-unfit'
  | 'root-needed'
  | 'command-failed'
> {}
