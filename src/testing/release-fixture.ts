import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import {
  counterOfVersion,
  type Digest,
  mediaType,
  parseVersion,
  type ReleaseDocument,
} from '../core/index.ts'
import { assembleRelease, digestOf, printManifest, type Repository, streamOf } from '../oci/index.ts'

export interface ReleaseFixture {
  readonly digest: Digest
  readonly document: ReleaseDocument
  /** The uncompressed content of the disk form's three files. */
  readonly root: Uint8Array
  readonly verity: Uint8Array
  readonly boot: Uint8Array
}

/** A small system release with every kind of part that a real one has; nothing in it boots. Equal options, equal digest. */
export async function releaseFixture(
  repository: Repository,
  options: {
    readonly name?: string
    readonly version?: string
    readonly floor?: number
    readonly tag?: string
    readonly rootBytes?: number
  } = {},
): Promise<ReleaseFixture> {
  const version = parseVersion(options.version ?? '1.0.0')
  const root = noise(`root ${version}`, options.rootBytes ?? 200_000)
  const verity = noise('verity', 5_000)
  const boot = noise('boot', 20_000)
  const content = (bytes: Uint8Array) => ({ digest: digestOf(bytes), sizeBytes: bytes.length })
  const document: ReleaseDocument = {
    apiVersion: 'ashlar/v1',
    kind: 'Release',
    name: options.name ?? 'gateway',
    version,
    counter: counterOfVersion(version),
    floor: options.floor ?? 0,
    form: 'system',
    definition: digestOf('definition'),
    lock: digestOf('lock'),
    epochSeconds: 1_700_000_000,
    parameters: {},
    health: [],
    disks: {
      amd64: {
        root: content(root),
        verity: content(verity),
        roothash: 'ab'.repeat(32),
        boot: content(boot),
        kernel: '6.1.0-56-amd64',
      },
    },
  }
  const digest = await assembleRelease(repository, {
    document,
    images: [{ architecture: 'amd64', manifest: await putImage(repository) }],
    disks: [
      {
        architecture: 'amd64',
        root: await put(repository, zstdCompressSync(root), mediaType.diskRoot),
        verity: await put(repository, zstdCompressSync(verity), mediaType.diskVerity),
        boot: await put(repository, zstdCompressSync(boot), mediaType.diskBoot),
      },
    ],
    ...(options.tag !== undefined && { tag: options.tag }),
  })
  return { digest, document, root, verity, boot }
}

/** An image of one layer: a tar archive with nothing in it. */
async function putImage(repository: Repository): Promise<Digest> {
  const tar = Buffer.alloc(1024)
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  }
  const manifest = printManifest({
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    config: await put(repository, Buffer.from(JSON.stringify(config)), mediaType.config),
    layers: [await put(repository, gzipSync(tar), mediaType.layerGzip)],
  })
  return repository.putManifest(manifest, mediaType.manifest)
}

async function put(repository: Repository, bytes: Uint8Array, type: string) {
  const digest = digestOf(bytes)
  await repository.blobs.write(digest, bytes.length, streamOf(bytes))
  return { mediaType: type, digest, size: bytes.length }
}

/** Bytes that do not compress and are the same each time. */
function noise(seed: string, length: number): Uint8Array {
  return createHash('shake256', { outputLength: length }).update(seed).digest()
}
