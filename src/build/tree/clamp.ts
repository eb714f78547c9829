import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'

/**
 * The time of what the build made and not a package: 1970-01-01T00:00:01, as in Nix's store, since some programs take 0
 * for "none". The lock's time would be another one with each lock, and so every layer another one.
 */
const madeHere = '@1'

/**
 * Gives one time to all that the build itself made: a file keeps what its package says if that is not younger than the
 * archive; a folder's time says only when something was last put into it, here, so it says nothing.
 */
export async function clampTimes(
  sys: Sys,
  tree: string,
  epochSeconds: number,
  time: string = madeHere,
): Promise<void> {
  const { exitCode, stderr } = await sys.exec.run('find', [
    tree,
    ...['(', '-type', 'd', '-o', '-newermt', `@${epochSeconds}`, ')'],
    ...['-exec', 'touch', '--no-dereference', `--date=${time}`, '{}', '+'],
  ])
  if (exitCode !== 0)
    throw new BuildError('tool-failed', `cannot set file times: ${stderr.trim()}`, { where: tree })
}

/** As {@link clampTimes}, with the lock's time: systemd tells a new release by that of `/usr` (systemd-update-done.service(8)). */
export function stampTimes(sys: Sys, tree: string, epochSeconds: number): Promise<void> {
  return clampTimes(sys, tree, epochSeconds, `@${epochSeconds}`)
}
