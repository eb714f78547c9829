import { gzipSync } from 'node:zlib'
import { canonicalJson, type Digest, mediaType, parseDigest } from '../../../src/core/index.ts'
import {
  digestOf,
  OciError,
  parseAnyManifest,
  printIndex,
  printManifest,
  type ReleaseFiles,
  readReleaseFiles,
  referencesOf,
} from '../../../src/oci/index.ts'
import { parseRange } from '../../../src/registry/blobs.ts'
import { RegistryError } from '../../../src/registry/errors.ts'
import { parseRoute } from '../../../src/registry/routes.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'
import { digest, releaseDocument } from './core.ts'

const named = parseDigest(digest)
const descriptor = (type: string, of: Digest = named, size = 4096) => ({ mediaType: type, digest: of, size })
const annotations = { 'dev.ashlar.architecture': 'amd64', 'a<b': '>&\u2028' }
const manifest = Buffer.from(
  printManifest({
    ...{ schemaVersion: 2, mediaType: mediaType.manifest, artifactType: mediaType.disk },
    config: descriptor(mediaType.config),
    layers: [descriptor(mediaType.diskRoot), { ...descriptor(mediaType.layerGzip), annotations }],
    ...{ subject: descriptor(mediaType.index), annotations },
  }),
)
const index = Buffer.from(
  printIndex({
    ...{ schemaVersion: 2, mediaType: mediaType.index, annotations },
    manifests: [{ ...descriptor(mediaType.manifest), platform: { architecture: 'amd64', os: 'linux' } }],
  }),
)

/** A release around any document, with every digest on the way to it right. */
function releaseAround(document: Uint8Array): { readonly files: ReleaseFiles; readonly digest: Digest } {
  const release = Buffer.from(
    printManifest({
      ...{ schemaVersion: 2, mediaType: mediaType.manifest, artifactType: mediaType.release },
      config: descriptor('application/vnd.oci.empty.v1+json'),
      layers: [descriptor(mediaType.releaseDocument, digestOf(document), document.length)],
    }),
  )
  const platform = { architecture: 'unknown', os: 'unknown' }
  const whole = Buffer.from(
    printIndex({
      ...{ schemaVersion: 2, mediaType: mediaType.index },
      manifests: [{ ...descriptor(mediaType.manifest, digestOf(release), release.length), platform }],
    }),
  )
  return { files: { index: whole, manifest: release, document }, digest: digestOf(whole) }
}

export const releaseTargets: readonly FuzzTarget[] = [
  {
    name: 'manifest',
    form: 'json',
    seeds: [manifest, index],
    words: [
      mediaType.manifest,
      mediaType.index,
      digest,
      'manifests',
      'layers',
      'config',
      'subject',
      'artifactType',
    ],
    refuses: [OciError],
    read(bytes) {
      const parsed = parseAnyManifest(bytes)
      referencesOf(parsed)
      const printed = parsed.is === 'index' ? printIndex(parsed.index) : printManifest(parsed.manifest)
      const again = parseAnyManifest(printed)
      const reprinted = again.is === 'index' ? printIndex(again.index) : printManifest(again.manifest)
      promise(Buffer.compare(printed, reprinted) === 0, 'a printed manifest is printed again as another one')
    },
  },
  {
    name: 'release-files',
    form: 'bytes',
    seeds: [gzipSync(canonicalJson(releaseDocument))],
    refuses: [OciError],
    read(bytes) {
      const release = releaseAround(bytes)
      readReleaseFiles(release.files, release.digest)
    },
  },
  {
    name: 'release-index',
    form: 'json',
    seeds: [releaseAround(gzipSync(canonicalJson(releaseDocument))).files.index],
    words: ['unknown', digest],
    refuses: [OciError],
    read(bytes) {
      const { files } = releaseAround(gzipSync(canonicalJson(releaseDocument)))
      readReleaseFiles({ ...files, index: bytes }, digestOf(bytes))
    },
  },
  {
    name: 'registry-route',
    form: 'text',
    seeds: [
      '/v2/',
      '/v2/a/b/blobs/uploads/?digest=x&mount=y',
      `/v2/a/blobs/${digest}`,
      '/v2/a/tags/list?n=1',
    ],
    words: ['/v2/', '/blobs/', '/uploads/', '/manifests/', '/referrers/', '%2f', '%', '?'],
    refuses: [RegistryError],
    read: (bytes) => parseRoute(textOf(bytes)),
  },
  {
    name: 'registry-range',
    form: 'text',
    seeds: ['bytes=0-9', 'bytes=-5', 'bytes=7-'],
    words: ['bytes=', '-', '999999999999999'],
    refuses: [],
    read(bytes) {
      const range = parseRange(textOf(bytes), 1000)
      if (range.is === 'part')
        promise(range.from >= 0 && range.from < range.to && range.to <= 1000, 'a part that is none')
    },
  },
]
