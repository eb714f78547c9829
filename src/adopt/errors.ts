import { AshlarError } from '../core/index.ts'

export class AdoptError extends AshlarError<
  | 'architecture-unsupported'
  | 'host-refused'
  | 'host-unreachable'
  | 'file-missing'
  | 'not-debian'
  | 'permission-denied'
  | 'suite-unsupported'
  | 'target-invalid'
  | 'observation-broken'
> {}
