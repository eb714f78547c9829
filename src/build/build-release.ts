import { counterOf, type Digest, floorOf, type Progress, type ReleaseDocument } from '../core/index.ts'
import { assembleRelease, type ContentStore } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { type Cache, openCache } from './cache.ts'
import { requireClock } from './clock.ts'
import { type DefinitionFile, readDefinition } from './definition-file.ts'
import { definitionLayer } from './definition-tree.ts'
import { type BuiltDisk, diskFormOf } from './disk-form.ts'
import { BuildError } from './errors.ts'
import { putImage } from './image.ts'
import { initrdOf } from './initrd.ts'
import { inputsOf, type LockFile, readLock, requireInputs } from './inputs.ts'
import { agentLayers, type KeptLayer, packagesLayers } from './kept-layers.ts'
import { together } from './pool.ts'
import type { TreeContext } from './trees.ts'

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
}

/** Builds the release that definition and lock describe, from nothing that is not in the lock. Equal inputs give equal digests. */
export async function buildRelease(options: BuildOptions): Promise<BuiltRelease> {
  const inputs = await readInputs(options)
  const cache = await openCache(options.sys, options.cacheFolder, options.useCache)
  try {
    return await putRelease(options.store, inputs, await buildParts(options, inputs, cache))
  } finally {
    await cache.close()
  }
}

/** What a build reads before it begins. */
export interface BuildInputs {
  readonly definitionFile: DefinitionFile
  readonly lockFile: LockFile
}

/** Reads definition and lock, and fails here if the build could not come to its end. */
export async function readInputs({ sys, folder, store }: BuildOptions): Promise<BuildInputs> {
  const definitionFile = await readDefinition(sys, folder)
  const lockFile = await readLock(sys, folder, definitionFile)
  await requireRoot(sys)
  requireClock(sys, lockFile.lock.epochSeconds)
  await requireInputs(store.blobs, inputsOf(lockFile.lock))
  return { definitionFile, lockFile }
}

export interface BuiltParts {
  /** Lowest first. */
  readonly layers: readonly KeptLayer[]
  readonly disk?: BuiltDisk
}

export async function buildParts(
  { sys, folder, store, progress }: BuildOptions,
  { definitionFile: { definition }, lockFile: { lock } }: BuildInputs,
  cache: Cache,
): Promise<BuiltParts> {
  const context: TreeContext = { sys, blobs: store.blobs, cache, lock, progress }
  const { form, kernel } = definition.spec
  if (form === 'container') {
    const packages = await packagesLayers(context)
    const own = await definitionLayer(context, packages, { definition, folder, lower: packages.layers })
    return { layers: [...packages.layers, own] }
  }
  const [packages, initrd] = await together([packagesLayers(context), initrdOf(context)])
  const lower = [...packages.layers, ...(await agentLayers(context, packages))]
  const layers = [...lower, await definitionLayer(context, packages, { definition, folder, lower })]
  return { layers, disk: await diskFormOf(context, layers, initrd, kernel.arguments) }
}

export async function putRelease(
  store: ContentStore,
  { definitionFile: { definition, digest }, lockFile: { lock, digest: lockDigest } }: BuildInputs,
  { layers, disk }: BuiltParts,
): Promise<BuiltRelease> {
  const { metadata, spec } = definition
  const architecture = spec.arch
  const repository = store.repository(metadata.name)
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
        manifest: await putImage(
          repository,
          definition,
          layers.map(({ layer }) => layer),
          lock.epochSeconds,
        ),
      },
    ],
    disks:
      disk === undefined ? [] : [{ architecture, root: disk.root, verity: disk.verity, boot: disk.boot }],
    tag,
  })
  return { digest: release, document, repository: metadata.name, tag }
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
