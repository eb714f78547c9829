import type { Sys } from '../../sys/index.ts'
import { mortal, toolFailure } from '../workshop/index.ts'

/** All that a later package could see; overlayfs' own marks in `trusted.*` are none of it. */
const attributes = [
  ...['--numeric-owner', '--acls', '--xattrs'],
  ...['--xattrs-include=security.*', '--xattrs-include=user.*'],
]
/** Equal trees give equal files. */
const order = [
  ...['--format=pax', '--sort=name'],
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
]

/** Writes a tree into one file. @throws BuildError `tool-failed`, `disk-full` */
export async function keepTree(sys: Sys, tree: string, file: string): Promise<void> {
  await tar(sys, tree, ['--create', ...order, ...attributes, `--file=${file}`, '.'])
}

/** Lays such a tree into an empty folder. @throws BuildError `tool-failed`, `disk-full` */
export async function layTree(sys: Sys, file: string, tree: string): Promise<void> {
  await tar(sys, tree, ['--extract', '--preserve-permissions', ...attributes, `--file=${file}`])
}

/** In the C locale names are bytes. */
async function tar(sys: Sys, tree: string, args: readonly string[]): Promise<void> {
  const command = ['env', 'LC_ALL=C', 'tar', `--directory=${tree}`, ...args]
  const result = await sys.exec.run('setpriv', [...mortal, ...command])
  if (result.exitCode !== 0) throw await toolFailure(sys, 'tar', result, tree)
}
