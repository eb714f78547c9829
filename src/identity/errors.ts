import { AshlarError } from '../core/index.ts'

export class IdentityError extends AshlarError<
  'node-key-unusable' | 'enrolment-malformed' | 'certificate-unreadable' | 'address-malformed'
> {}
