import { type Digest, digestHex, isDigest, isRepository, mediaType } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { OciError } from './errors.ts'
import { manifestBytesMax, pagesMax } from './limits.ts'
import { referrerOf } from './local-repository.ts'
import { manifestMediaTypes, parseAnyManifest, parseIndex, printIndex, subjectOf } from './manifest.ts'
import { type RegistryHttp, type RemoteOptions, registryHttp } from './registry-http.ts'
import { remoteBlobs } from './remote-blobs.ts'
import { collect, digestOf } from './streams.ts'
import type { Descriptor, ManifestBytes, Repository } from './types.ts'

/**
 * A repository behind a registry that speaks distribution-spec 1.1 (or 1.0: then referrers are kept in tags). Downloads
 * are checked while they stream and go on after a cut connection; uploads skip what is there.
 */
export function openRemoteRepository(sys: Pick<Sys, 'net' | 'clock'>, options: RemoteOptions): Repository {
  const { name } = options
  if (!isRepository(name))
    throw new OciError('name-invalid', `${JSON.stringify(name)} is not a repository name`)
  const http = registryHttp(sys.net, options)
  const get = (tagOrDigest: string) => getManifest(http, name, tagOrDigest)
  return {
    name,
    blobs: remoteBlobs(http, sys.clock, name),
    manifest: get,
    async putManifest(bytes, type, tag) {
      const parsed = parseAnyManifest(bytes, type)
      const digest = digestOf(bytes)
      const { subjectKept } = await putManifest(http, name, bytes, type, tag ?? digest)
      const subject = subjectOf(parsed)?.digest
      if (subject !== undefined && !subjectKept) await addToReferrersTag(http, name, subject, bytes)
      return digest
    },
    referrers: (digest, artifactType) => listReferrers(http, name, digest, artifactType),
    tags: () => listTags(http, name),
  }
}

async function getManifest(
  http: RegistryHttp,
  name: string,
  tagOrDigest: string,
): Promise<ManifestBytes | undefined> {
  const target = `/v2/${name}/manifests/${tagOrDigest}`
  const headers = { accept: manifestMediaTypes.join(', ') }
  const response = await http.send({ method: 'GET', target, headers }, [200, 404])
  if (response.status === 404) {
    await http.finish(response)
    return undefined
  }
  const bytes = await collect(response.body, manifestBytesMax)
  const digest = digestOf(bytes)
  if (isDigest(tagOrDigest) && digest !== tagOrDigest)
    throw new OciError('digest-mismatch', `the manifest is ${digest}, not ${tagOrDigest}`, {
      where: `${http.host}${target}`,
      hint: 'the registry serves a damaged or exchanged manifest: tell its operator',
    })
  return { digest, bytes, mediaType: parseAnyManifest(bytes, typeOf(response.headers)).mediaType }
}

function typeOf(headers: Readonly<Record<string, string>>): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim()
}

async function putManifest(
  http: RegistryHttp,
  name: string,
  bytes: Uint8Array,
  type: string,
  tagOrDigest: string,
): Promise<{ readonly subjectKept: boolean }> {
  const response = await http.send(
    {
      method: 'PUT',
      target: `/v2/${name}/manifests/${tagOrDigest}`,
      headers: { 'content-type': type, 'content-length': String(bytes.length) },
      body: bytes,
    },
    [201],
  )
  await http.finish(response)
  return { subjectKept: response.headers['oci-subject'] !== undefined }
}

async function listReferrers(
  http: RegistryHttp,
  name: string,
  digest: Digest,
  artifactType: string | undefined,
): Promise<readonly Descriptor[]> {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  const found: Descriptor[] = []
  let next: string | undefined = `/v2/${name}/referrers/${digest}${query}`
  for (let page = 0; next !== undefined && page < pagesMax; page++) {
    const response = await http.send({ method: 'GET', target: next }, [200, 404])
    if (response.status === 404) {
      await http.finish(response)
      found.push(...(await referrersTag(http, name, digest)))
      break
    }
    found.push(...parseIndex(await collect(response.body, manifestBytesMax)).manifests)
    next = nextPage(response.headers.link)
  }
  // A registry may leave the filter to its client.
  return found.filter((entry) => artifactType === undefined || entry.artifactType === artifactType)
}

/** distribution-spec, "Referrers Tag Schema": what a registry without the referrers API keeps in place of it. */
async function referrersTag(
  http: RegistryHttp,
  name: string,
  subject: Digest,
): Promise<readonly Descriptor[]> {
  const found = await getManifest(http, name, referrersTagName(subject))
  return found === undefined ? [] : parseIndex(found.bytes).manifests
}

async function addToReferrersTag(
  http: RegistryHttp,
  name: string,
  subject: Digest,
  bytes: Uint8Array,
): Promise<void> {
  const entry = referrerOf(bytes, subject)
  const listed = await referrersTag(http, name, subject)
  if (entry === undefined || listed.some((other) => other.digest === entry.digest)) return
  const index = printIndex({ schemaVersion: 2, mediaType: mediaType.index, manifests: [...listed, entry] })
  await putManifest(http, name, index, mediaType.index, referrersTagName(subject))
}

function referrersTagName(subject: Digest): string {
  return `sha256-${digestHex(subject)}`
}

async function listTags(http: RegistryHttp, name: string): Promise<readonly string[]> {
  const tags: string[] = []
  let next: string | undefined = `/v2/${name}/tags/list`
  for (let page = 0; next !== undefined && page < pagesMax; page++) {
    const response = await http.send({ method: 'GET', target: next }, [200, 404])
    const body = Buffer.from(await collect(response.body, manifestBytesMax)).toString()
    if (response.status === 404) break
    tags.push(...tagsIn(body, http.host))
    next = nextPage(response.headers.link)
  }
  return tags
}

function tagsIn(body: string, host: string): readonly string[] {
  try {
    const value = JSON.parse(body) as { readonly tags?: unknown } | null
    const tags = value?.tags ?? []
    if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return tags
  } catch (cause) {
    throw new OciError('registry-failed', `${host} answered with something that is no list of tags`, {
      cause,
    })
  }
  throw new OciError('registry-failed', `${host} answered with something that is no list of tags`)
}

/** RFC 8288: `</v2/…>; rel="next"`. */
function nextPage(link: string | undefined): string | undefined {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1]
}
