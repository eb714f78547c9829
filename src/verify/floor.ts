import type { Reason } from '../core/index.ts'

/** Why a release with this counter may not run on a node with this floor (`below-floor`), or nothing. */
export function judgeFloor(counter: number, floor: number): Reason | undefined {
  if (counter >= floor) return undefined
  return {
    code: 'below-floor',
    message: `the release's counter ${counter} is below the floor ${floor} of this node`,
  }
}
