import { type Digest, isDigest } from './digest.ts'
import { AshlarError } from './errors.ts'

/** Where a release is kept: `[registry/]repository[:tag][@digest]`. Without a registry it is in the local store. */
export interface Reference {
  /** `host:port`; absent for the local store. */
  readonly registry?: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

export class MalformedReference extends AshlarError<'reference-malformed'> {}

// distribution-spec, "Pulling manifests": the grammar of <name> and of a tag.
const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const registryPattern =
  /^(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+(?=:))(?::[0-9]{1,5})?$/
const repositoryLengthMax = 255

export function isRepository(text: string): boolean {
  return text.length <= repositoryLengthMax && repositoryPattern.test(text)
}

export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/** @throws MalformedReference `reference-malformed` */
export function parseReference(text: string): Reference {
  const [beforeDigest, digest, ...more] = text.split('@')
  if (beforeDigest === undefined || more.length > 0) throw malformed(text, 'it has more than one @')
  if (digest !== undefined && !isDigest(digest))
    throw malformed(text, 'what follows @ is not a sha256 digest')

  const slash = beforeDigest.indexOf('/')
  const head = slash < 0 ? '' : beforeDigest.slice(0, slash)
  const registry = registryPattern.test(head) ? head : undefined
  const rest = registry === undefined ? beforeDigest : beforeDigest.slice(slash + 1)

  const colon = rest.lastIndexOf(':')
  const repository = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (!isRepository(repository))
    throw malformed(text, `${JSON.stringify(repository)} is not a repository name`)
  if (tag !== undefined && !isTag(tag)) throw malformed(text, `${JSON.stringify(tag)} is not a tag`)

  return {
    repository,
    ...(registry !== undefined && { registry }),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

/** The one canonical spelling; `parseReference(printReference(r))` gives `r` again. */
export function printReference(reference: Reference): string {
  const registry = reference.registry === undefined ? '' : `${reference.registry}/`
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${registry}${reference.repository}${tag}${digest}`
}

function malformed(text: string, why: string): MalformedReference {
  return new MalformedReference(
    'reference-malformed',
    `cannot read the reference ${JSON.stringify(text)}: ${why}`,
    {
      hint: 'write [registry/]repository[:tag][@sha256:…], for example gateway:1.1.0',
    },
  )
}
