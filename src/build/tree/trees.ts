import { join } from 'node:path'
import type { Digest, Lock, LockedPackage, Progress } from '../../core/index.ts'
import type { StoreBlobs } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { type Control, closureOf, readControls } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { isBasePackage, lockName, takeInput, takePackages } from '../inputs/index.ts'
import { type Cache, cacheKey } from '../workshop/index.ts'
import { clampTimes } from './clamp.ts'
import { cleanTree } from './clean.ts'
import { extractInside } from './extract.ts'
import { finishInstallation, installFirst, installMore } from './install.ts'
import { keepTree, layTree } from './kept-tree.ts'
import { LaidTree } from './laid-tree.ts'
import { unitFiles, unitLinks } from './units.ts'
import { keepVar } from './var-content.ts'

export interface TreeContext {
  readonly sys: Sys
  readonly blobs: StoreBlobs
  readonly cache: Cache
  readonly lock: Lock
  readonly progress: Progress
}

/** What a tree is made from: packages and the time that is given to all in it. */
function treeKey(recipe: 'base' | 'tools', packages: readonly LockedPackage[], { epochSeconds }: Lock) {
  return cacheKey(recipe, [packages.map(({ digest }) => digest), epochSeconds])
}

export function packagesKey({ lock }: TreeContext): Digest {
  return cacheKey('packages', [treeKey('base', lock.packages, lock)])
}

export function toolsKey({ lock }: TreeContext): Digest {
  return treeKey('tools', lock.tools, lock)
}

/** Debian's installer writes `/etc/hosts`, no package does; without it `localhost` has no address. */
const systemFiles = {
  ...unitFiles,
  '/etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
}

/** The image's packages, installed and cleaned. */
export async function installedTree(context: TreeContext): Promise<string> {
  const { sys, cache, lock, progress } = context
  const { epochSeconds } = lock
  const names = lock.packages.map(({ name }) => name)
  const folder = await takenPackages(context, 'image', lock.packages)
  const controls = await readControls(sys, folder, names)
  const step = { step: 'install packages', total: names.length, unit: 'items' } as const
  // The step ends when the tree is cleaned.
  const installed = (done: number) => progress({ ...step, done: Math.min(done, names.length - 1) })
  installed(0)
  const { tree, base } = await baseTree(context, folder, controls, installed)
  installed(base.size)
  const scratch = await cache.scratch('install')
  const onInstalled = (done: number) => installed(base.size + done)
  await installMore(sys, { tree, folder, scratch, epochSeconds, onInstalled }, controls, base)
  await finishInstallation(sys, tree, names)
  await sys.disk.rm(folder, { recursive: true })
  await cleanTree(sys, { root: tree, epochSeconds })
  await keepVar(sys, { root: tree, epochSeconds })
  await clampTimes(sys, tree, epochSeconds)
  progress({ ...step, done: names.length })
  return tree
}

/**
 * A tree with the packages that the others rest on. They come first in every build, whether this one finds them
 * installed or not: what is installed after them must not show.
 */
async function baseTree(
  context: TreeContext,
  folder: string,
  controls: readonly Control[],
  onInstalled: (done: number) => void,
): Promise<{ readonly tree: string; readonly base: ReadonlySet<string> }> {
  const { sys, cache, lock } = context
  const base = closureOf(controls, ({ name, essential }) => essential || isBasePackage(name))
  const tree = await cache.scratch('tree')
  const packages = lock.packages.filter(({ name }) => base.has(name))
  let made = false
  const entry = await cache.entry(
    treeKey('base', packages, lock),
    `base, ${packages.length} packages`,
    async (out) => {
      const scratch = await cache.scratch('install-base')
      const installation = { tree, folder, scratch, epochSeconds: lock.epochSeconds, onInstalled }
      await installFirst(
        sys,
        installation,
        controls.filter(({ name }) => base.has(name)),
      )
      // Also so that what is kept is the same bytes, whoever made it.
      await clampTimes(sys, tree, lock.epochSeconds)
      await keepTree(sys, tree, join(out, baseName))
      made = true
    },
  )
  if (!made) await layTree(sys, join(entry.folder, baseName), tree)
  return { tree, base }
}

const baseName = 'base.tar'

/** The programs of the build. They are only extracted: what their packages would set up on a machine is not needed to run them. */
export async function extractedTools(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  const tree = await cache.scratch('tools')
  await extractLocked(context, 'tools', lock.tools, tree)
  // What maintainer scripts would have made, as far as dracut uses it.
  const laid = new LaidTree(sys, tree)
  await laid.writeLink('/usr/bin/awk', 'mawk')
  for (const name of ['passwd', 'group'])
    await laid.writeFile(`/etc/${name}`, (await laid.readText(`/usr/share/base-passwd/${name}.master`)) ?? '')
  return tree
}

/** Extracts packages of the lock into `tree`. */
export async function extractLocked(
  context: TreeContext,
  name: string,
  packages: readonly LockedPackage[],
  tree: string,
): Promise<void> {
  const folder = await takenPackages(context, name, packages)
  await extractInside(
    context.sys,
    tree,
    folder,
    packages.map((one) => one.name),
  )
  await context.sys.disk.rm(folder, { recursive: true })
}

/** The part of each system that runs the agent: Node. It changes less often than the agent. */
export async function nodeTree(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  const tree = await cache.scratch('node')
  await takeProgram(context, tree, 'node', lock.node, 0o755)
  await clampTimes(sys, tree, lock.epochSeconds)
  return tree
}

/** The agent and its units: what each system carries beside its packages. */
export async function agentTree(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  const tree = await cache.scratch('agent')
  const laid = await takeProgram(context, tree, 'agent.js', lock.agent, 0o644)
  await laid.ensureFolder('/usr/lib/ashlar/health.d')
  for (const [path, text] of Object.entries(systemFiles)) await laid.writeFile(path, text)
  for (const [path, target] of Object.entries(unitLinks)) await laid.writeLink(path, target)
  await clampTimes(sys, tree, lock.epochSeconds)
  return tree
}

export function nodeKey({ lock }: TreeContext): Digest {
  return cacheKey('node', [lock.node])
}

export function agentKey({ lock }: TreeContext): Digest {
  return cacheKey('agent', [lock.agent, systemFiles, unitLinks])
}

async function takeProgram(
  { sys, blobs }: TreeContext,
  tree: string,
  name: string,
  input: Lock['node'],
  mode: number,
): Promise<LaidTree> {
  if (input === undefined) throw new BuildError('lock-stale', `the lock lacks ${name}`, { where: lockName })
  const laid = new LaidTree(sys, tree)
  const file = join(await laid.ensureFolder('/usr/lib/ashlar'), name)
  await takeInput(sys, blobs, { ...input, name }, file)
  await sys.disk.chmod(file, mode)
  return laid
}

async function takenPackages(
  { sys, blobs, cache, progress }: TreeContext,
  name: string,
  packages: readonly LockedPackage[],
): Promise<string> {
  const folder = await cache.scratch(`${name}-packages`)
  await takePackages(sys, blobs, packages, folder, progress)
  return folder
}
