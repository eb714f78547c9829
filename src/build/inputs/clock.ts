import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'

/**
 * Files that a build makes must be younger than the archive, or their times could not be told from a package's. A lock
 * asks too, also where the host's apt is told to look at no dates: better now than at the build. @throws BuildError `clock-behind`
 */
export function requireClock(sys: Sys, epochSeconds: number): void {
  if (sys.clock.now() / 1000 > epochSeconds) return
  throw new BuildError('clock-behind', 'the clock of this machine is earlier than the archive', {
    hint: 'compare date -u with the true time, and set the clock: timedatectl set-ntp true',
  })
}
