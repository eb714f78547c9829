// Moves a fleet from one release to another: a pure planner says the steps, and the director carries them out.
export { Director, type DirectorParts } from './director.ts'
export { FleetError, type FleetErrorCode } from './errors.ts'
export { nextDeadline, type PlanInput, planRollout } from './plan.ts'
export type {
  Change,
  Changed,
  FleetStore,
  GivenAssignment,
  ResourceReader,
  SignAssignment,
  Transaction,
} from './ports.ts'
export { releaseName } from './start.ts'
export { describeStep, type Step } from './steps.ts'
export { type Watch, watchRollouts } from './watch.ts'
export { membersOf, waveEnds } from './waves.ts'
