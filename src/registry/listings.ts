import { mediaType } from '../core/index.ts'
import { type Descriptor, orderedDescriptor } from '../oci/index.ts'
import { RegistryError } from './errors.ts'
import { answer, answerJson, digestParameter, type Exchange, requireRight } from './exchange.ts'
import { tagsPageMax } from './limits.ts'
import type { ManifestRecord } from './ports.ts'

/** distribution-spec, "Listing Tags". */
export async function listTags(exchange: Exchange, repository: string): Promise<void> {
  requireGet(exchange)
  requireRight(exchange, 'pull', repository)
  const { index } = exchange.parts
  const asked = exchange.query.get('n')
  const count = asked === null ? tagsPageMax : pageSize(asked)
  const last = exchange.query.get('last') ?? undefined
  // One more than asked for tells whether there is a next page.
  const found = await index.tags(repository, last, count + 1)
  if (found.length === 0 && !(await index.repositories()).includes(repository))
    throw new RegistryError('name-unknown', `there is no repository ${repository}`)
  const tags = found.slice(0, count)
  const end = tags.at(-1)
  const next = found.length > count && end !== undefined
  const link = `</v2/${repository}/tags/list?n=${count}&last=${encodeURIComponent(end ?? '')}>; rel="next"`
  answerJson(exchange, { name: repository, tags }, next ? { link } : {})
}

/** distribution-spec, "Listing Referrers": the answer is an index, and an empty one where there is nothing. */
export async function listReferrers(exchange: Exchange, repository: string, of: string): Promise<void> {
  requireGet(exchange)
  requireRight(exchange, 'pull', repository)
  const wanted = exchange.query.get('artifactType')
  const all = await exchange.parts.index.referrers(repository, digestParameter(of))
  const manifests = all.filter((record) => wanted === null || record.artifactType === wanted)
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaType.index,
    manifests: manifests.map((record) => orderedDescriptor(descriptorOf(record))),
  })
  const filtered = wanted === null ? {} : { 'oci-filters-applied': 'artifactType' }
  answer(exchange, 200, { 'content-type': mediaType.index, ...filtered }, body)
}

function requireGet(exchange: Exchange): void {
  if (exchange.request.method === 'GET') return
  throw new RegistryError('method-not-allowed', 'allowed here: GET', { headers: { allow: 'GET' } })
}

function pageSize(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), tagsPageMax)
  throw new RegistryError('name-invalid', `n must be a number, not ${JSON.stringify(text)}`)
}

function descriptorOf(record: ManifestRecord): Descriptor {
  const { mediaType: type, digest, sizeBytes, artifactType, annotations } = record
  return {
    mediaType: type,
    digest,
    size: sizeBytes,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  }
}
