import { type Digest, isDigest, isTag } from '../core/index.ts'
import {
  type AnyManifest,
  annotationsOf,
  artifactTypeOf,
  type ContentStore,
  collect,
  digestOf,
  manifestBytesMax,
  parseAnyManifest,
  referencesOf,
  subjectOf,
} from '../oci/index.ts'
import { RegistryError } from './errors.ts'
import { answer, bodyOf, type Exchange, requireRight } from './exchange.ts'
import { tagsPerPushMax } from './limits.ts'
import type { ManifestRecord, PutAnswer, Requirements } from './ports.ts'
import { isWriteOnce } from './tag-rule.ts'

/** distribution-spec, "Pulling manifests", "Pushing Manifests", "Content Management". */
export async function serveManifest(exchange: Exchange, repository: string, of: string): Promise<void> {
  switch (exchange.request.method) {
    case 'GET':
    case 'HEAD':
      requireRight(exchange, 'pull', repository)
      return sendManifest(exchange, repository, of)
    case 'PUT':
      requireRight(exchange, 'push', repository)
      return putManifest(exchange, repository, of)
    case 'DELETE':
      requireRight(exchange, 'push', repository)
      return deleteManifest(exchange, repository, of)
    default:
      throw new RegistryError('method-not-allowed', 'allowed here: GET, HEAD, PUT, DELETE', {
        headers: { allow: 'GET, HEAD, PUT, DELETE' },
      })
  }
}

async function sendManifest(exchange: Exchange, repository: string, of: string): Promise<void> {
  const { index, store } = exchange.parts
  const record = isDigest(of)
    ? await index.manifest(repository, of)
    : await index.manifestByTag(repository, of)
  if (record === undefined) throw manifestUnknown(repository, of)
  const headers = {
    'content-type': record.mediaType,
    'docker-content-digest': record.digest,
    ...(record.subject !== undefined && { 'oci-subject': record.subject }),
  }
  answer(exchange, 200, headers, await readStored(store, record))
}

/** Checked, other than a blob: who asks by tag cannot compare. */
async function readStored(store: ContentStore, record: ManifestRecord): Promise<Uint8Array> {
  try {
    return await collect(store.blobs.read(record.digest), manifestBytesMax)
  } catch (cause) {
    throw new RegistryError('internal', `the manifest ${record.digest} is damaged in this registry`, {
      cause,
      hint: 'push it again',
    })
  }
}

async function putManifest(exchange: Exchange, repository: string, of: string): Promise<void> {
  const { parts, request, principal } = exchange
  if (Number(request.headers['content-length'] ?? 0) > manifestBytesMax)
    throw new RegistryError('size-invalid', `a manifest has at most ${manifestBytesMax} bytes`, {
      hint: 'put what is large into a blob, and name that',
    })
  const bytes = await collect(bodyOf(request), manifestBytesMax)
  const digest = digestOf(bytes)
  const tags = tagsOf(exchange, of, digest)
  const parsed = parseAnyManifest(bytes, declaredType(request.headers['content-type']))
  await parts.store.blobs.put(bytes)
  const stored = await parts.index.putManifest(
    repository,
    recordOf(parsed, digest, bytes.length),
    requirementsOf(parsed),
    tags.map((name) => ({ name, writeOnce: isWriteOnce(parts.tagRule, repository, name) })),
  )
  refuse(stored, repository)
  const { mediaType } = parsed
  await parts.onManifest({ repository, digest, mediaType, actor: principal.actor, tag: tags[0] })
  const subject = subjectOf(parsed)
  answer(exchange, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(subject !== undefined && { 'oci-subject': subject.digest }),
    ...(isDigest(of) && tags.length > 0 && { 'oci-tag': tags }),
  })
}

/** A manifest is pushed under one tag, or under its digest and then with any number of `?tag=` (distribution-spec, after 1.1). */
function tagsOf(exchange: Exchange, of: string, digest: Digest): readonly string[] {
  const tags = of.includes(':') ? exchange.query.getAll('tag') : [of]
  if (of.includes(':') && of !== digest)
    throw new RegistryError('digest-invalid', `the manifest is ${digest}, not ${of}`)
  const wrong = tags.find((tag) => !isTag(tag))
  if (wrong !== undefined)
    throw new RegistryError('manifest-invalid', `${JSON.stringify(wrong)} is not a tag`)
  if (tags.length > tagsPerPushMax)
    throw new RegistryError('manifest-invalid', `one push sets at most ${tagsPerPushMax} tags`)
  return tags
}

function declaredType(header: string | undefined): string | undefined {
  return header?.split(';')[0]?.trim()
}

function recordOf(parsed: AnyManifest, digest: Digest, sizeBytes: number): ManifestRecord {
  const subject = subjectOf(parsed)?.digest
  const artifactType = artifactTypeOf(parsed)
  const annotations = annotationsOf(parsed)
  return {
    digest,
    mediaType: parsed.mediaType,
    sizeBytes,
    ...(subject !== undefined && { subject }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  }
}

/** image-spec, "Non-Distributable Layers", and docker's name for them: they are fetched elsewhere and must not be pushed. */
const notKept =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1\.tar|docker\.image\.rootfs\.foreign\.diff\.tar)/

function requirementsOf(parsed: AnyManifest): Requirements {
  const { blobs: all, manifests } = referencesOf(parsed)
  const blobs = all.filter((blob) => !notKept.test(blob.mediaType))
  const sized = (entry: { digest: Digest; size: number }) => ({ digest: entry.digest, sizeBytes: entry.size })
  return { blobs: blobs.map(sized), manifests: manifests.map(sized) }
}

function refuse(stored: PutAnswer, repository: string): void {
  switch (stored.is) {
    case 'stored':
      return
    case 'missing':
      throw new RegistryError(
        'manifest-blob-unknown',
        `${repository} does not have, or has in another size: ${stored.digests.join(', ')}`,
      )
    case 'tag-taken':
      throw tagImmutable(repository, stored.tag, `it names ${stored.by} and is not moved`)
  }
}

async function deleteManifest(exchange: Exchange, repository: string, of: string): Promise<void> {
  const { parts } = exchange
  if (!isDigest(of)) {
    if ((await parts.index.manifestByTag(repository, of)) === undefined) throw manifestUnknown(repository, of)
    if (isWriteOnce(parts.tagRule, repository, of)) throw tagImmutable(repository, of, 'it is not removed')
    await parts.index.removeTag(repository, of)
    return answer(exchange, 202)
  }
  const removed = await parts.index.removeManifest(repository, of, (tag) =>
    isWriteOnce(parts.tagRule, repository, tag),
  )
  if (removed.is === 'unknown') throw manifestUnknown(repository, of)
  if (removed.is === 'held')
    throw new RegistryError('manifest-held', `${of} is not removed: ${removed.by} of ${repository} names it`)
  answer(exchange, 202)
}

function manifestUnknown(repository: string, of: string): RegistryError {
  return new RegistryError('manifest-unknown', `${repository} has no manifest ${JSON.stringify(of)}`)
}

function tagImmutable(repository: string, tag: string, why: string): RegistryError {
  return new RegistryError('tag-immutable', `tag ${tag} of ${repository} is write-once: ${why}`, {
    hint: `give the release a new version; where tags are meant to move: ashlar serve --mutable-tags ${repository}`,
  })
}
