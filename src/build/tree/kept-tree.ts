import type { Sys } from '../../sys/index.ts'
import { mortal, toolFailure } from '../workshop/index.ts'

const attributes = ['--numeric-owner', '--xattrs', '--xattrs-include=security.*']

/** Writes all of a tree that a layer could hold into one file. @throws BuildError `tool-failed`, `disk-full` */
export async function keepTree(sys: Sys, tree: string, file: string): Promise<void> {
  await tar(sys, tree, ['--create', '--format=pax', ...attributes, '--sort=inode', `--file=${file}`, '.'])
}

/** Lays such a tree into an empty folder. @throws BuildError `tool-failed`, `disk-full` */
export async function layTree(sys: Sys, file: string, tree: string): Promise<void> {
  await tar(sys, tree, ['--extract', '--preserve-permissions', ...attributes, `--file=${file}`])
}

async function tar(sys: Sys, tree: string, args: readonly string[]): Promise<void> {
  const result = await sys.exec.run('setpriv', [...mortal, 'tar', `--directory=${tree}`, ...args])
  if (result.exitCode !== 0) throw await toolFailure(sys, 'tar', result, tree)
}
