import type { Sys } from '../sys/index.ts'
import { BuildError } from './errors.ts'

/**
 * Gives one time to all that the build itself made: a file keeps what its package says if that is not younger than the
 * archive; a folder's time says only when something was last put into it, here, so it says nothing.
 */
export async function clampTimes(sys: Sys, tree: string, epochSeconds: number): Promise<void> {
  const time = `@${epochSeconds}`
  const { exitCode, stderr } = await sys.exec.run('find', [
    tree,
    ...['(', '-type', 'd', '-o', '-newermt', time, ')'],
    ...['-exec', 'touch', '--no-dereference', `--date=${time}`, '{}', '+'],
  ])
  if (exitCode !== 0)
    throw new BuildError('tool-failed', `cannot set file times: ${stderr.trim()}`, { where: tree })
}
