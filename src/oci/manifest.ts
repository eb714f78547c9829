import { type Digest, isDigest, mediaType } from '../core/index.ts'
import { OciError } from './errors.ts'
import { descriptorsMax, manifestBytesMax, mediaTypeLengthMax } from './limits.ts'
import type { Descriptor, Index, Manifest } from './types.ts'

/** What other tools push: read and served, never written by us. */
export const dockerMediaType = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const

const manifestTypes: readonly string[] = [mediaType.manifest, dockerMediaType.manifest]
const indexTypes: readonly string[] = [mediaType.index, dockerMediaType.list]
/** The four media types under which a registry keeps a manifest or index. */
export const manifestMediaTypes: readonly string[] = [...manifestTypes, ...indexTypes]

export type AnyManifest =
  | { readonly is: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly is: 'index'; readonly mediaType: string; readonly index: Index }

/** @throws OciError `manifest-invalid` */
export function parseManifest(bytes: Uint8Array): Manifest {
  const parsed = parseAnyManifest(bytes)
  if (parsed.is === 'manifest') return parsed.manifest
  throw invalid('it is an index, not a manifest')
}

/** @throws OciError `manifest-invalid` */
export function parseIndex(bytes: Uint8Array): Index {
  const parsed = parseAnyManifest(bytes)
  if (parsed.is === 'index') return parsed.index
  throw invalid('it is a manifest, not an index')
}

/**
 * Reads a manifest or index. `declared` is the media type that came beside the bytes, if any: it must agree with theirs.
 * Unknown fields are passed over, as image-spec asks. @throws OciError `manifest-invalid`
 */
export function parseAnyManifest(bytes: Uint8Array, declared?: string): AnyManifest {
  const fields = parseObject(bytes)
  const type = typeOf(fields, declared)
  if (fields.schemaVersion !== 2) throw invalid('its schemaVersion is not 2')
  // CVE-2021-41190: one text that reads both as manifest and as index means different things to different tools.
  const common = {
    schemaVersion: 2 as const,
    mediaType: type,
    ...artifactTypeIn(fields, 'artifactType'),
    ...(fields.subject !== undefined && { subject: descriptor(fields.subject, 'subject') }),
    ...(fields.annotations != null && { annotations: annotations(fields.annotations, 'annotations') }),
  }
  if (indexTypes.includes(type)) {
    if ('config' in fields || 'layers' in fields) throw invalid('an index has neither config nor layers')
    return {
      is: 'index',
      mediaType: type,
      index: { ...common, manifests: descriptors(fields.manifests, 'manifests') },
    }
  }
  if ('manifests' in fields) throw invalid('a manifest has no manifests')
  return {
    is: 'manifest',
    mediaType: type,
    manifest: {
      ...common,
      config: descriptor(fields.config, 'config'),
      layers: descriptors(fields.layers, 'layers'),
    },
  }
}

/** The type that a referrer is filtered by (image-spec: a manifest without artifactType has that of its config). */
export function artifactTypeOf(parsed: AnyManifest): string | undefined {
  if (parsed.is === 'index') return parsed.index.artifactType
  return parsed.manifest.artifactType ?? parsed.manifest.config.mediaType
}

/** Everything that must be there before the manifest may be stored. */
export function referencesOf(parsed: AnyManifest): {
  readonly blobs: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
} {
  return parsed.is === 'index'
    ? { blobs: [], manifests: parsed.index.manifests }
    : { blobs: [parsed.manifest.config, ...parsed.manifest.layers], manifests: [] }
}

export function subjectOf(parsed: AnyManifest): Descriptor | undefined {
  return parsed.is === 'index' ? parsed.index.subject : parsed.manifest.subject
}

export function annotationsOf(parsed: AnyManifest): Readonly<Record<string, string>> | undefined {
  return parsed.is === 'index' ? parsed.index.annotations : parsed.manifest.annotations
}

/** In the field order of Go's image-spec structs: a copier that parses and prints it again gets the same bytes. */
export function printManifest(manifest: Manifest): Uint8Array {
  return goJson({
    schemaVersion: manifest.schemaVersion,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    config: orderedDescriptor(manifest.config),
    layers: manifest.layers.map(orderedDescriptor),
    subject: manifest.subject && orderedDescriptor(manifest.subject),
    annotations: orderedAnnotations(manifest.annotations),
  })
}

/** As {@link printManifest}. */
export function printIndex(index: Index): Uint8Array {
  return goJson({
    schemaVersion: index.schemaVersion,
    mediaType: index.mediaType,
    artifactType: index.artifactType,
    manifests: index.manifests.map(orderedDescriptor),
    subject: index.subject && orderedDescriptor(index.subject),
    annotations: orderedAnnotations(index.annotations),
  })
}

export function orderedDescriptor(descriptor: Descriptor): object {
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    annotations: orderedAnnotations(descriptor.annotations),
    platform: descriptor.platform && {
      architecture: descriptor.platform.architecture,
      os: descriptor.platform.os,
    },
    artifactType: descriptor.artifactType,
  }
}

function orderedAnnotations(annotations: Readonly<Record<string, string>> | undefined): object | undefined {
  if (annotations === undefined || Object.keys(annotations).length === 0) return undefined
  // Go prints a map with its keys in byte order.
  return Object.fromEntries(
    Object.entries(annotations).toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  )
}

const escapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** JSON as Go's `encoding/json` prints it: these five characters are escaped, although JSON does not ask for it. */
export function goJson(value: object): Uint8Array {
  return Buffer.from(
    JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => escapes[character] ?? character),
  )
}

type Fields = Readonly<Record<string, unknown>>

function parseObject(bytes: Uint8Array): Fields {
  if (bytes.length > manifestBytesMax) throw invalid(`it has more than ${manifestBytesMax} bytes`)
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (isRecord(value)) return value
  } catch (cause) {
    throw new OciError('manifest-invalid', 'the manifest is not JSON', { cause })
  }
  throw invalid('it is not an object')
}

function typeOf(fields: Fields, declared: string | undefined): string {
  const inside = fields.mediaType === undefined ? undefined : mediaTypeOf(fields.mediaType, 'mediaType')
  // image-spec recommends mediaType and does not require it: then the shape tells.
  const type = inside ?? declared ?? ('manifests' in fields ? mediaType.index : mediaType.manifest)
  if (declared !== undefined && type !== declared)
    throw invalid(`it says that it is ${JSON.stringify(type)}, but was sent as ${JSON.stringify(declared)}`)
  if (!manifestMediaTypes.includes(type)) throw invalid(`its media type ${JSON.stringify(type)} is not known`)
  return type
}

function descriptors(value: unknown, path: string): readonly Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${path} is not a list`)
  if (value.length > descriptorsMax) throw invalid(`${path} has more than ${descriptorsMax} entries`)
  return value.map((entry, index) => descriptor(entry, `${path}[${index}]`))
}

function descriptor(value: unknown, path: string): Descriptor {
  if (!isRecord(value)) throw invalid(`${path} is not a descriptor`)
  const { digest, size, platform } = value
  return {
    mediaType: mediaTypeOf(value.mediaType, `${path}.mediaType`),
    digest: digestAt(digest, `${path}.digest`),
    size: sizeAt(size, `${path}.size`),
    ...(value.annotations != null && { annotations: annotations(value.annotations, `${path}.annotations`) }),
    ...(platform != null && { platform: platformAt(platform, `${path}.platform`) }),
    ...artifactTypeIn(value, `${path}.artifactType`),
  }
}

/** Go's tools print an absent artifactType as none or as an empty text. */
function artifactTypeIn(fields: Fields, path: string): { readonly artifactType?: string } {
  const { artifactType } = fields
  return artifactType === undefined || artifactType === ''
    ? {}
    : { artifactType: mediaTypeOf(artifactType, path) }
}

function digestAt(value: unknown, path: string): Digest {
  if (typeof value === 'string' && isDigest(value)) return value
  throw invalid(`${path} is not a sha256 digest`)
}

function sizeAt(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`${path} is not a size`)
}

function mediaTypeOf(value: unknown, path: string): string {
  // RFC 6838, 4.2: the characters of a type and a subtype name.
  const pattern = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$/
  if (typeof value === 'string' && value.length <= mediaTypeLengthMax && pattern.test(value)) return value
  throw invalid(`${path} is not a media type`)
}

function annotations(value: unknown, path: string): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw invalid(`${path} is not an object`)
  for (const text of Object.values(value))
    if (typeof text !== 'string') throw invalid(`${path} holds something that is not a text`)
  return value as Record<string, string>
}

function platformAt(value: unknown, path: string): { readonly architecture: string; readonly os: string } {
  if (isRecord(value) && typeof value.architecture === 'string' && typeof value.os === 'string')
    return { architecture: value.architecture, os: value.os }
  throw invalid(`${path} names no architecture and os`)
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string): OciError {
  return new OciError('manifest-invalid', `the manifest cannot be read: ${why}`)
}
