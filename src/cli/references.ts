import { type Digest, parseDigest, parseReference, printReference, type Reference } from '../core/index.ts'
import { openContentStore, type Repository } from '../oci/index.ts'
import { CliError, type Context } from './context.ts'

/** A release in the local store. */
export interface LocalRelease {
  readonly repository: Repository
  readonly digest: Digest
  /** `gateway@sha256:…` */
  readonly reference: string
}

/** Finds a release of the local store by tag or digest. @throws CliError `reference-unknown`, MalformedReference */
export async function findLocalRelease({ sys, folders }: Context, text: string): Promise<LocalRelease> {
  const reference = parseReference(text)
  if (reference.registry !== undefined)
    throw new CliError('usage', 'this command reads releases of the local store', {
      where: text,
      hint: 'leave the registry out',
    })
  const store = await openContentStore(sys, folders.store)
  const repository = store.repository(reference.repository)
  const wanted = reference.digest ?? reference.tag ?? 'latest'
  const manifest = await repository.manifest(wanted)
  if (manifest === undefined) throw await unknownReference(repository, reference, text)
  return {
    repository,
    digest: manifest.digest,
    reference: printReference({ repository: reference.repository, digest: manifest.digest }),
  }
}

async function unknownReference(
  repository: Repository,
  reference: Reference,
  text: string,
): Promise<CliError> {
  const tags = await repository.tags()
  const known = tags.length === 0 ? '' : `; it has ${tags.slice(-5).join(', ')}`
  return new CliError('reference-unknown', `the local store has no ${text}${known}`, {
    where: text,
    hint:
      reference.tag === undefined && reference.digest === undefined
        ? `name a tag: ${text}:<tag>`
        : 'build it with ashlar build FOLDER; ASHLAR_DATA names the store that is looked into',
  })
}

/**
 * The digest in `sha256:…` or `name@sha256:…`. What changes a machine is never named by a tag: between the look and
 * the act the tag's meaning is a matter of trust, a digest's is not. @throws CliError `digest-required`
 */
export function requireDigest(text: string): Digest {
  if (text.startsWith('sha256:')) return parseDigest(text)
  const { digest } = parseReference(text)
  if (digest !== undefined) return digest
  throw new CliError('digest-required', `${text} names a release by its tag`, {
    hint: `name its digest; ashlar inspect ${text} prints it`,
  })
}
