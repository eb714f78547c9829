import { type Definition, type Digest, mediaType } from '../core/index.ts'
import { type Descriptor, digestOf, goJson, printManifest, type Repository } from '../oci/index.ts'
import type { ImageConfig } from './buildah.ts'
import { BuildError } from './errors.ts'
import type { Layer } from './layer.ts'

/** SIGRTMIN+3: what systemd as process 1 takes for "halt" (systemd(1), "Signals"). */
const haltSignal = 'SIGRTMIN+3'

export interface ImageParts {
  /** Lowest first. */
  readonly layers: readonly Layer[]
  /** What a Containerfile says of its start; `spec.run` counts more. */
  readonly config?: ImageConfig | undefined
  readonly epochSeconds: number
}

/** Writes the container image: config and manifest. Layers lowest first. */
export async function putImage(
  repository: Repository,
  definition: Definition,
  { layers, config: own, epochSeconds }: ImageParts,
): Promise<Digest> {
  const created = new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z')
  // Field order of Go's image-spec types: tools that rewrite a config write it so.
  const config = {
    created,
    architecture: definition.spec.arch,
    os: 'linux',
    config: startOf(definition, own),
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created, created_by: 'ashlar build' })),
  }
  const manifest = printManifest({
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    config: await putJson(repository, config, mediaType.config),
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: mediaType.layerGzip,
      digest,
      size: sizeBytes,
    })),
  })
  return repository.putManifest(manifest, mediaType.manifest)
}

const searchPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Field order of Go's image-spec types here, too. @throws BuildError `run-missing` */
function startOf({ spec: { run }, metadata }: Definition, own?: ImageConfig): ImageConfig {
  const started =
    run === undefined
      ? (own ?? { Cmd: ['/sbin/init'], StopSignal: haltSignal })
      : { ...own, Entrypoint: run.command, Cmd: [] }
  if (!started.Entrypoint?.length && !started.Cmd?.length)
    throw new BuildError(
      'run-missing',
      'neither the Containerfile nor the definition says what the container runs',
      {
        where: 'spec.run',
        hint: 'add run: { command: [...] } to ashlar.yaml, or ENTRYPOINT to the Containerfile',
      },
    )
  const user = run?.user ?? own?.User
  const workdir = run?.workdir ?? own?.WorkingDir
  return {
    ...(user && { User: user }),
    ...(own?.ExposedPorts && { ExposedPorts: own.ExposedPorts }),
    Env: environmentOf(own?.Env ?? [searchPath], run?.environment ?? {}),
    ...(started.Entrypoint?.length && { Entrypoint: started.Entrypoint }),
    ...(started.Cmd?.length && { Cmd: started.Cmd }),
    ...(own?.Volumes && { Volumes: own.Volumes }),
    ...(workdir && { WorkingDir: workdir }),
    Labels: {
      ...withoutBuildah(own?.Labels),
      'org.opencontainers.image.title': metadata.name,
      'org.opencontainers.image.version': metadata.version,
    },
    ...(started.StopSignal && { StopSignal: started.StopSignal }),
  }
}

/** A later value of a name takes the place of an earlier one. */
function environmentOf(own: readonly string[], more: Readonly<Record<string, string>>): readonly string[] {
  const lines = [...own, ...Object.entries(more).map(([name, value]) => `${name}=${value}`)]
  return [...new Map(lines.map((line) => [line.split('=', 1)[0], line])).values()]
}

/** It writes its version among the labels, which says nothing of the image. */
function withoutBuildah(labels: ImageConfig['Labels'] = {}) {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !name.startsWith('io.buildah.')))
}

async function putJson(repository: Repository, value: object, type: string): Promise<Descriptor> {
  const bytes = goJson(value)
  const digest = digestOf(bytes)
  await repository.blobs.write(digest, bytes.length, one(bytes))
  return { mediaType: type, digest, size: bytes.length }
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
