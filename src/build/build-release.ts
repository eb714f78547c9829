import {
  counterOf,
  type Digest,
  type Finding,
  floorOf,
  type Progress,
  type ReleaseDocument,
} from '../core/index.ts'
import { assembleRelease, type ContentStore, type Repository, readRelease } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { bootArguments } from './boot-file.ts'
import { putImage } from './container-image.ts'
import { type BuiltContainerfile, containerfileKey, containerfileLayers } from './containerfile-layer.ts'
import { definitionLayer, type OwnContent, readOwnContent } from './definition-layer.ts'
import { type BuiltDisk, diskFormOf } from './disk-form.ts'
import { BuildError } from './errors.ts'
import { dracutArguments, initrdOf } from './initrd.ts'
import {
  type ContainerfileContent,
  type DefinitionFile,
  inputsOf,
  type LockFile,
  readContainerfileContent,
  readDefinition,
  readLock,
  requireClock,
  requireInputs,
} from './inputs/index.ts'
import { agentLayers, type KeptLayer, packagesLayers } from './kept-layers.ts'
import type { Layer } from './layer.ts'
import { agentKey, nodeKey, packagesKey, type TreeContext, toolsKey } from './tree/index.ts'
import { releasesUpTo, type UpdateSize, updateSize } from './update-size.ts'
import { type Cache, cacheKey, openCache, recipes, together } from './workshop/index.ts'

export interface BuildOptions {
  readonly sys: Sys
  /** Holds `ashlar.yaml` and `ashlar.lock`. */
  readonly folder: string
  /** Holds the inputs; the release is written into its repository of the image's name, tagged with the version. */
  readonly store: ContentStore
  readonly cacheFolder: string
  /** False: everything is made anew (and kept). */
  readonly useCache: boolean
  readonly progress: Progress
}

export interface BuiltRelease {
  readonly digest: Digest
  readonly document: ReleaseDocument
  readonly repository: string
  readonly tag: string
  /** What nobody can promise of it. */
  readonly findings: readonly Finding[]
  /** What the step from this image's previous release is to a node; absent where there is none. */
  readonly update?: UpdateSize
}

/** Builds the release that definition and lock describe, from nothing that is not in the lock. Equal inputs give equal digests. */
export async function buildRelease(options: BuildOptions): Promise<BuiltRelease> {
  const inputs = await readInputs(options)
  const cache = await openCache(options.sys, options.cacheFolder, options.useCache)
  try {
    return await finishRelease(options, inputs, await knownParts(options, inputs, cache), cache)
  } finally {
    await cache.close()
  }
}

/** What a build reads before it begins. */
export interface BuildInputs {
  readonly definitionFile: DefinitionFile
  readonly lockFile: LockFile
  readonly containerfile?: ContainerfileContent | undefined
}

/** Reads definition and lock, and fails here if the build could not come to its end. */
export async function readInputs({ sys, folder, store }: BuildOptions): Promise<BuildInputs> {
  const definitionFile = await readDefinition(sys, folder)
  const containerfile = await readContainerfileContent(sys, folder, definitionFile)
  const lockFile = await readLock(sys, folder, definitionFile, containerfile?.bases)
  await requireRoot(sys)
  requireClock(sys, lockFile.lock.epochSeconds)
  await requireInputs(store.blobs, inputsOf(lockFile.lock))
  return { definitionFile, lockFile, containerfile }
}

/** Parts of a release that are in the store. */
export interface StoredParts {
  /** Lowest first. */
  readonly layers: readonly Layer[]
  readonly disk?: BuiltDisk
  /** Present where a Containerfile made the image. */
  readonly made?: Pick<BuiltContainerfile, 'config' | 'findings'>
}

/** As {@link StoredParts}, with what the layers hold. */
export interface BuiltParts extends Omit<StoredParts, 'layers'> {
  readonly layers: readonly KeptLayer[]
}

/** The parts of a release; where none of its inputs has changed, nothing else is looked at. */
async function knownParts(options: BuildOptions, inputs: BuildInputs, cache: Cache): Promise<StoredParts> {
  const { metadata, spec } = inputs.definitionFile.definition
  const { layers, epochSeconds } = inputs.lockFile.lock
  const context = contextOf(options, inputs, cache)
  const own = await readOwnContent(options.sys, inputs.definitionFile.definition, options.folder)
  const made = [packagesKey, toolsKey, nodeKey, agentKey].map((keyOf) => keyOf(context))
  const from = inputs.containerfile && containerfileKey(context, inputs.containerfile)
  const boot = [spec.kernel.arguments, bootArguments, dracutArguments]
  const { value } = await cache.entry(
    cacheKey('release', [recipes, made, layers, epochSeconds, boot, own.digest, from]),
    `parts of ${metadata.name} ${metadata.version}`,
    async () => storedParts(await buildParts(options, inputs, cache, own)),
    (parts) => areStored(options.store, parts),
  )
  return value
}

export function storedParts({ layers, ...more }: BuiltParts): StoredParts {
  return { layers: layers.map(({ layer }) => layer), ...more }
}

async function areStored({ blobs }: ContentStore, { layers, disk }: StoredParts): Promise<boolean> {
  const wanted = [...layers, ...(disk === undefined ? [] : [disk.root, disk.verity, disk.boot])]
  const found = await Promise.all(wanted.map(({ digest }) => blobs.stat(digest)))
  return found.every((stat) => stat !== undefined)
}

function contextOf({ sys, store, progress }: BuildOptions, inputs: BuildInputs, cache: Cache): TreeContext {
  return { sys, blobs: store.blobs, cache, lock: inputs.lockFile.lock, progress }
}

export async function buildParts(
  options: BuildOptions,
  inputs: BuildInputs,
  cache: Cache,
  own: OwnContent,
): Promise<BuiltParts> {
  const context = contextOf(options, inputs, cache)
  if (own.spec.form === 'container') {
    const made = inputs.containerfile && (await containerfileLayers(context, inputs.containerfile))
    const packages = made?.packages ?? (await packagesLayers(context))
    return {
      layers: [...packages.layers, await definitionLayer(context, packages, packages.layers, own)],
      ...(made && { made: { config: made.config, findings: made.findings } }),
    }
  }
  const [packages, initrd] = await together([packagesLayers(context), initrdOf(context)])
  const lower = [...packages.layers, ...(await agentLayers(context, packages))]
  const layers = [...lower, await definitionLayer(context, packages, lower, own)]
  return { layers, disk: await diskFormOf(context, layers, initrd, own.spec.kernel.arguments) }
}

/** Stores the release, and says what the step from the one before it is to a node. */
export async function finishRelease(
  { store }: BuildOptions,
  inputs: BuildInputs,
  parts: StoredParts,
  cache: Cache,
): Promise<BuiltRelease> {
  const { definition } = inputs.definitionFile
  const repository = store.repository(definition.metadata.name)
  // Before the tag moves: what it named is the release before, too.
  const before = await releasesUpTo(repository, counterOf(definition))
  const built = await putRelease(repository, inputs, parts)
  const previous = before.find(({ digest }) => digest !== built.digest)
  if (previous === undefined) return built
  const { value: update } = await cache.entry(
    cacheKey('updateSize', [previous.digest, built.digest]),
    'size of an update',
    async () => {
      const release = await readRelease(repository, built.digest)
      return (await updateSize(repository, previous, release, definition.spec.arch)) ?? null
    },
  )
  return update === null ? built : { ...built, update }
}

async function putRelease(
  repository: Repository,
  { definitionFile: { definition, digest }, lockFile: { lock, digest: lockDigest } }: BuildInputs,
  { layers, disk, made }: StoredParts,
): Promise<BuiltRelease> {
  const { metadata, spec } = definition
  const architecture = spec.arch
  const document: ReleaseDocument = {
    apiVersion: 'ashlar/v1',
    kind: 'Release',
    name: metadata.name,
    version: metadata.version,
    counter: counterOf(definition),
    floor: floorOf(definition),
    form: spec.form,
    definition: digest,
    lock: lockDigest,
    epochSeconds: lock.epochSeconds,
    parameters: spec.parameters,
    health: spec.health,
    disks: disk === undefined ? {} : { [architecture]: disk.form },
  }
  const tag = tagOf(metadata.version)
  const release = await assembleRelease(repository, {
    document,
    images: [
      {
        architecture,
        manifest: await putImage(repository, definition, {
          ...{ layers, config: made?.config, epochSeconds: lock.epochSeconds },
        }),
      },
    ],
    disks:
      disk === undefined ? [] : [{ architecture, root: disk.root, verity: disk.verity, boot: disk.boot }],
    tag,
  })
  return { digest: release, document, repository: metadata.name, tag, findings: made?.findings ?? [] }
}

/** A tag has no plus sign (distribution-spec, "Pulling manifests"); build metadata follows an underscore, as Helm writes it. */
function tagOf(version: string): string {
  return version.replaceAll('+', '_')
}

async function requireRoot(sys: Sys): Promise<void> {
  const { stdout } = await sys.exec.run('id', ['-u'])
  if (new TextDecoder().decode(stdout).trim() === '0') return
  throw new BuildError('root-required', 'building needs root: it mounts, and gives files their owners', {
    hint: 'put sudo before it, and ASHLAR_DATA=… as well where the store is not root’s own',
  })
}
