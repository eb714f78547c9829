import { join } from 'node:path'
import type { Lock, LockedPackage, Progress } from '../core/index.ts'
import type { StoreBlobs } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { type Cache, cacheKey } from './cache.ts'
import { clampTimes } from './clamp.ts'
import { cleanTree } from './clean.ts'
import { lockName } from './definition-file.ts'
import { BuildError } from './errors.ts'
import { takeInput, takePackages } from './inputs.ts'
import { LaidTree } from './laid-tree.ts'
import { unitFiles, unitLinks } from './units.ts'
import { extractPackages, installPackages } from './unpack.ts'
import { keepVar } from './var-content.ts'

export interface TreeContext {
  readonly sys: Sys
  readonly blobs: StoreBlobs
  readonly cache: Cache
  readonly lock: Lock
  readonly progress: Progress
}

/** What a tree is made from: packages and the time that is given to all in it. */
function treeKey(recipe: string, packages: readonly LockedPackage[], { epochSeconds }: Lock) {
  return cacheKey(recipe, [packages.map(({ digest }) => digest), epochSeconds])
}

export function packagesKey({ lock }: TreeContext) {
  return treeKey('packages 1', lock.packages, lock)
}

export function toolsKey({ lock }: TreeContext) {
  return treeKey('tools 2', lock.tools, lock)
}

/** Debian's installer writes `/etc/hosts`, no package does; without it `localhost` has no address. */
const systemFiles = {
  ...unitFiles,
  '/etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
}

export function agentKey({ lock }: TreeContext) {
  return cacheKey('agent 1', [lock.node, lock.agent, lock.epochSeconds, systemFiles, unitLinks])
}

/** The image's packages, installed and cleaned: the lowest layer. */
export function packagesTree(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  return cache.tree(packagesKey(context), async (tree) => {
    const packages = await takenPackages(context, 'image', lock.packages)
    const { epochSeconds } = lock
    const names = lock.packages.map(({ name }) => name)
    context.progress({ step: 'install packages', done: 0, total: names.length, unit: 'items' })
    await installPackages(sys, tree, {
      packages,
      names,
      scratch: await cache.scratch('install'),
      epochSeconds,
    })
    context.progress({ step: 'install packages', done: names.length, total: names.length, unit: 'items' })
    await sys.disk.rm(packages, { recursive: true })
    await cleanTree(sys, { root: tree, epochSeconds })
    await keepVar(sys, { root: tree, epochSeconds })
    await clampTimes(sys, tree, epochSeconds)
  })
}

/** The programs of the build. They are only extracted: what their packages would set up on a machine is not needed to run them. */
export function toolsTree(context: TreeContext): Promise<string> {
  const { sys, cache, lock } = context
  return cache.tree(toolsKey(context), async (tree) => {
    const packages = await takenPackages(context, 'tools', lock.tools)
    await extractPackages(
      sys,
      tree,
      packages,
      lock.tools.map(({ name }) => name),
    )
    await sys.disk.rm(packages, { recursive: true })
    // What maintainer scripts would have made, as far as dracut uses it.
    await sys.disk.symlink('mawk', join(tree, 'usr/bin/awk'))
    for (const name of ['passwd', 'group'])
      await sys.disk.copyFile(join(tree, `usr/share/base-passwd/${name}.master`), join(tree, 'etc', name))
  })
}

/** Node, the agent and its units: what each system carries beside its packages. */
export function agentTree(context: TreeContext): Promise<string> {
  const { sys, blobs, cache, lock } = context
  return cache.tree(agentKey(context), async (tree) => {
    const laid = new LaidTree(sys, tree, [])
    const folder = await laid.ensureFolder('/usr/lib/ashlar')
    for (const [name, input, mode] of [
      ['node', lock.node, 0o755],
      ['agent.js', lock.agent, 0o644],
    ] as const) {
      if (input === undefined)
        throw new BuildError('lock-stale', `the lock lacks ${name}`, { where: lockName })
      await takeInput(sys, blobs, { ...input, name }, join(folder, name))
      await sys.disk.chmod(join(folder, name), mode)
    }
    await laid.ensureFolder('/usr/lib/ashlar/health.d')
    for (const [path, text] of Object.entries(systemFiles)) await laid.writeFile(path, text)
    for (const [path, target] of Object.entries(unitLinks)) await laid.writeLink(path, target)
    await clampTimes(sys, tree, lock.epochSeconds)
  })
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
