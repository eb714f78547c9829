import type { Lock } from '../../core/index.ts'
import { BuildError } from '../errors.ts'
import { lockName, readContainerfile, readDefinition, readLock } from '../inputs/index.ts'
import { Apt } from './apt.ts'
import { fetchBase } from './base-images.ts'
import { fetchPackages } from './fetch-packages.ts'
import { readHostSettings } from './host-settings.ts'
import { aptOptionsOf, fetchOptionsOf, type InputFile, type LockOptions, storeInput } from './lock-options.ts'

/**
 * Brings into the store what the lock names and the store lacks or holds damaged. The lock stays as it is: a clone on
 * another machine builds the versions that were locked, not those of today.
 * @throws BuildError `archive-unreachable` where the archive dropped a version, `input-missing` where this Ashlar is another
 */
export async function fetchLocked(options: LockOptions): Promise<Lock> {
  const definitionFile = await readDefinition(options.sys, options.folder)
  const containerfile = await readContainerfile(options.sys, options.folder, definitionFile)
  const { lock } = await readLock(options.sys, options.folder, definitionFile, containerfile?.bases)
  const host = await readHostSettings(options.sys)
  const apt = await Apt.open(await aptOptionsOf(options, definitionFile.definition, host))
  await fetchPackages([...lock.packages, ...lock.tools], fetchOptionsOf(options, apt))
  for (const base of lock.bases ?? []) await fetchBase(options, base)
  await keepInput(options, lock.node, options.node, 'Node')
  await keepInput(options, lock.agent, options.agent, 'the agent')
  return lock
}

async function keepInput(
  options: LockOptions,
  locked: Lock['node'],
  own: InputFile,
  name: string,
): Promise<void> {
  if (locked === undefined) return
  const { digest } = await storeInput(options, own)
  if (digest === locked.digest) return
  throw new BuildError(
    'input-missing',
    `the lock names ${name} ${locked.version}, and this Ashlar carries another ${own.version}`,
    {
      where: lockName,
      hint: 'use the Ashlar that made the lock, or run ashlar lock to make it anew with this one',
    },
  )
}
