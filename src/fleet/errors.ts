import { AshlarError } from '../core/index.ts'

export type FleetErrorCode =
  | 'fleet-unknown'
  | 'fleet-empty'
  | 'release-missing'
  | 'release-unknown'
  | 'release-of-other-image'
  | 'nothing-to-revert'
  | 'rollout-running'
  | 'rollout-ended'
  | 'rollout-unknown'
  | 'node-busy'
  /** The same write lost against others too often. */
  | 'contended'

export class FleetError extends AshlarError<FleetErrorCode> {}
