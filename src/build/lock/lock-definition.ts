import { join } from 'node:path'
import { asOneStep, type Definition, type Lock, LockError, parseLock, printLock } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { digestOf } from '../../oci/index.ts'
import { Catalogue, parseRelease } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import {
  imageRoots,
  lockName,
  readContainerfile,
  readDefinition,
  requestOf,
  requireClock,
  toolRoots,
} from '../inputs/index.ts'
import { Apt, type PocketFiles } from './apt.ts'
import { lockBases } from './base-images.ts'
import { lookElsewhere } from './elsewhere.ts'
import { fetchPackages } from './fetch-packages.ts'
import { readHostSettings, sayDateless } from './host-settings.ts'
import { planLayers } from './layer-plan.ts'
import { aptOptionsOf, debianKeyring, fetchOptionsOf, type LockOptions, storeInput } from './lock-options.ts'
import { checkNames, type Elsewhere } from './package-names.ts'
import { readSigned } from './signature.ts'
import { type SolverContext, solve } from './solve.ts'

/** Solves a definition's dependencies, here and only here, and writes down every input of its build. */
export async function lockDefinition(options: LockOptions): Promise<{ lock: Lock; text: string }> {
  const { sys, folder } = options
  const definitionFile = await readDefinition(sys, folder)
  const { spec } = definitionFile.definition
  const containerfile = await readContainerfile(sys, folder, definitionFile)
  const host = await readHostSettings(sys)
  const dateless = sayDateless(host)
  if (dateless !== undefined) options.note?.(dateless)
  const aptOptions = await aptOptionsOf(options, definitionFile.definition, host)
  const apt = await Apt.open(aptOptions)
  await asOneStep(options.progress, 'fetch indexes', () => apt.update())
  const elsewhere = lookElsewhere({ ...aptOptions, folder: `${aptOptions.folder}-elsewhere` })
  const { archive, packages, tools } = await asOneStep(options.progress, 'solve dependencies', () =>
    solveAll(options, { apt, definitionFile, elsewhere }),
  )
  await fetchPackages([...packages, ...tools], fetchOptionsOf(options, apt))
  const bases = containerfile && (await lockBases(options, containerfile.bases, spec.arch))
  const lock: Lock = {
    lockVersion: 1,
    request: requestOf(spec, containerfile?.bases),
    architecture: spec.arch,
    suite: spec.base.debian,
    epochSeconds: archive.epochSeconds,
    pockets: archive.pockets,
    packages: [...packages],
    layers: planLayers(packages, await previousLock(options, spec)),
    tools: [...tools],
    ...(spec.form === 'system' && {
      node: await storeInput(options, options.node),
      agent: await storeInput(options, options.agent),
    }),
    ...(bases !== undefined && { bases }),
  }
  const text = printLock(lock)
  await sys.disk.writeDurably(join(folder, lockName), text)
  // What one that was killed at its last step left. A young one may be of another that is at work.
  await sys.disk.removeUnfinished(folder, { of: [lockName], shared: true })
  return { lock, text }
}

interface Solving extends Pick<SolverContext, 'apt' | 'definitionFile'> {
  readonly elsewhere: Elsewhere
}

async function solveAll(options: LockOptions, { apt, definitionFile, elsewhere }: Solving) {
  const { spec } = definitionFile.definition
  const { catalogue, ...archive } = await readPockets(options, await apt.pocketFiles())
  await checkNames(definitionFile, catalogue, elsewhere)
  const solver = { apt, catalogue, definitionFile }
  const packages = await solve(solver, imageRoots(spec, catalogue.essential))
  return { archive, packages, tools: await solve(solver, toolRoots(spec, catalogue.essential)) }
}

/** The lock that is replaced, where there is one of the same suite that can be read. */
async function previousLock({ sys, folder }: LockOptions, { base, arch }: Definition['spec']) {
  const where = join(folder, lockName)
  const bytes = await whenThere(sys.disk.readFile(where))
  if (bytes === undefined) return undefined
  try {
    const lock = parseLock(new TextDecoder().decode(bytes), where)
    return lock.suite === base.debian && lock.architecture === arch ? lock : undefined
  } catch (error) {
    if (error instanceof LockError) return undefined
    throw error
  }
}

interface ReadPockets extends Pick<Lock, 'pockets' | 'epochSeconds'> {
  readonly catalogue: Catalogue
}

/** Checks each pocket's signature, and its index of packages against what was signed. */
async function readPockets(
  { sys, keyring = debianKeyring }: LockOptions,
  files: readonly PocketFiles[],
): Promise<ReadPockets> {
  const catalogue = new Catalogue()
  const pockets: Lock['pockets'] = []
  let epochSeconds = 0
  for (const { name, archive, inRelease, packages, packagesPath } of files) {
    const { text, signers } = await readSigned(sys, inRelease, keyring)
    const release = parseRelease(text, name)
    const index = packages === undefined ? Buffer.alloc(0) : await sys.disk.readFile(packages)
    if (release.files.get(packagesPath)?.digest !== digestOf(index))
      throw new BuildError('archive-invalid', `the index of ${name} is not the one that was signed`, {
        where: name,
      })
    requireClock(sys, release.dateSeconds)
    catalogue.add(index.toString('utf8'), archive)
    const signed = await sys.disk.readFile(inRelease)
    pockets.push({ name, archive, digest: digestOf(signed), sizeBytes: signed.length, signers: [...signers] })
    epochSeconds = Math.max(epochSeconds, release.dateSeconds)
  }
  return { catalogue, pockets, epochSeconds }
}
