import { type Definition, type Digest, mediaType } from '../core/index.ts'
import { type Descriptor, goJson, printManifest, type Repository } from '../oci/index.ts'
import { digestOf } from './definition-file.ts'
import type { Layer } from './layer.ts'

/** SIGRTMIN+3: what systemd as process 1 takes for "halt" (systemd(1), "Signals"). */
const haltSignal = 'SIGRTMIN+3'

/** Writes the container image: config and manifest. Layers lowest first. */
export async function putImage(
  repository: Repository,
  { spec, metadata }: Definition,
  layers: readonly Layer[],
  epochSeconds: number,
): Promise<Digest> {
  const created = new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z')
  const { run } = spec
  // Field order of Go's image-spec types: tools that rewrite a config write it so.
  const config = {
    created,
    architecture: spec.arch,
    os: 'linux',
    config: {
      ...(run?.user !== undefined && { User: run.user }),
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...Object.entries(run?.environment ?? {}).map(([name, value]) => `${name}=${value}`),
      ],
      ...(run !== undefined ? { Entrypoint: run.command } : { Cmd: ['/sbin/init'] }),
      ...(run?.workdir !== undefined && { WorkingDir: run.workdir }),
      Labels: {
        'org.opencontainers.image.title': metadata.name,
        'org.opencontainers.image.version': metadata.version,
      },
      ...(run === undefined && { StopSignal: haltSignal }),
    },
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

async function putJson(repository: Repository, value: object, type: string): Promise<Descriptor> {
  const bytes = goJson(value)
  const digest = digestOf(bytes)
  await repository.blobs.write(digest, bytes.length, one(bytes))
  return { mediaType: type, digest, size: bytes.length }
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
