import { join } from 'node:path'
import { type Digest, digestHex, type Finding, type LockedBase } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { buildWithBuildah, type ImageConfig, rootName } from './buildah.ts'
import { BuildError } from './errors.ts'
import { type ContainerfileContent, stageContext, takeInput } from './inputs/index.ts'
import {
  allStored,
  imageName,
  type Kept,
  keepLayers,
  type Packages,
  readLayers,
  toolsImage,
} from './kept-layers.ts'
import { packLayer } from './layer.ts'
import { LaidTree, listTree, stampTimes, type TreeContext, toolsKey } from './tree/index.ts'
import { cacheKey, toolFailure } from './workshop/index.ts'

/** The image that a Containerfile makes, and what it says of its start. */
export interface BuiltContainerfile {
  readonly packages: Packages
  readonly config: ImageConfig
  readonly findings: readonly Finding[]
}

interface KeptImage {
  readonly layers: readonly Kept[]
  readonly config: ImageConfig
  /** Whether it keeps a list of its packages, as dpkg does. */
  readonly listed: boolean
}

/** The digest of what decides about the image of a Containerfile. */
export function containerfileKey(context: TreeContext, { digest }: ContainerfileContent): Digest {
  const { bases, architecture, epochSeconds } = context.lock
  const locked = bases?.map((base) => base.digest)
  return cacheKey('containerfile', [digest, locked, architecture, epochSeconds, toolsKey(context)])
}

/**
 * The image of a Containerfile as one layer, packed by the locked tools: it may have neither tar nor gzip itself.
 * @throws BuildError `run-failed`, `network-refused`, `kind-unknown`, `context-changed`
 */
export async function containerfileLayers(
  context: TreeContext,
  content: ContainerfileContent,
): Promise<BuiltContainerfile> {
  const tools = await toolsImage(context)
  const { value, folder } = await context.cache.entry<KeptImage>(
    containerfileKey(context, content),
    'image of a Containerfile',
    (folder) => makeImage(context, content, { folder, tools }),
    ({ layers }) => allStored(context, layers),
  )
  const layers = await readLayers(context, folder, value.layers)
  const programs = { image: tools, key: toolsKey(context) }
  return {
    packages: { layers, image: join(folder, imageName), programs },
    config: value.config,
    findings: [...content.doubts, ...(value.listed ? [] : [packagesUnknown])],
  }
}

const packagesUnknown: Finding = {
  code: 'packages-unknown',
  message: 'the image of the Containerfile has no dpkg database: which packages are in it cannot be told',
}

async function makeImage(
  context: TreeContext,
  content: ContainerfileContent,
  { folder, tools }: { readonly folder: string; readonly tools: string },
): Promise<KeptImage> {
  const { sys, cache, lock, progress } = context
  const step = { step: 'build the Containerfile', total: 1, unit: 'items' } as const
  progress({ ...step, done: 0 })
  const work = await cache.scratch('containerfile')
  await layBases(context, join(work, 'bases'))
  await sys.disk.mkdir(join(work, 'context'))
  await stageContext(sys, content, join(work, 'context'), lock.epochSeconds)
  await sys.disk.writeFile(join(work, 'Containerfile'), content.pinned(nameOfBase))
  const names = (lock.bases ?? []).map((_, base) => nameOfBase(base))
  const config = await buildWithBuildah(sys, {
    work,
    names,
    args: content.args,
    epochSeconds: lock.epochSeconds,
  })
  const tree = join(work, rootName)
  await requireKinds(sys, tree)
  await stampTimes(sys, tree, lock.epochSeconds)
  const listed = (await new LaidTree(sys, tree).readText('/var/lib/dpkg/status')) !== undefined
  const chamber = { root: await cache.scratch('packer'), image: tools, epochSeconds: lock.epochSeconds }
  const paths = ['.', ...(await listTree(sys, tree)).map(({ path }) => path)]
  const packed = await packLayer(context, chamber, { name: 'containerfile', tree, paths })
  const layers = await keepLayers(context, folder, [packed])
  await sys.disk.rm(work, { recursive: true })
  progress({ ...step, done: 1 })
  return { layers, config, listed }
}

/** What a container engine mounts something over is emptied; elsewhere a device, pipe or socket has no place in a layer. */
async function requireKinds(sys: Sys, tree: string): Promise<void> {
  for (const name of ['dev', 'proc', 'sys'])
    await sys.exec.run('find', [join(tree, name), '-mindepth', '1', '-delete'])
  const list = await sys.exec.run('find', [tree, '!', '-type', 'f,d,l', '-printf', '/%P\\n'])
  if (list.exitCode !== 0) throw await toolFailure(sys, 'find', list, tree)
  const found = new TextDecoder().decode(list.stdout).trim()
  if (found === '') return
  throw new BuildError(
    'kind-unknown',
    `the image has what is neither file, folder nor link: ${found.split('\n').join(', ')}`,
    {
      hint: 'remove it in the same RUN line that makes it',
    },
  )
}

/** A name that no registry answers to. */
function nameOfBase(base: number): string {
  return `localhost/ashlar/base-${base}`
}

/** Each base in the form that containers-transports(5) calls `dir:`, judged by its digests on the way out of the store. */
async function layBases({ sys, blobs, lock }: TreeContext, folder: string): Promise<void> {
  await sys.disk.mkdir(folder)
  for (const [index, base] of (lock.bases ?? []).entries()) {
    const place = join(folder, String(index))
    await sys.disk.mkdir(place)
    await sys.disk.writeFile(join(place, 'version'), 'Directory Transport Version: 1.1\n')
    for (const [file, blob] of filesOf(base))
      await takeInput(sys, blobs, { ...blob, name: base.name }, join(place, file))
  }
}

function filesOf(base: LockedBase) {
  return [
    ['manifest.json', base] as const,
    ...base.blobs.map((blob) => [digestHex(blob.digest), blob] as const),
  ]
}
