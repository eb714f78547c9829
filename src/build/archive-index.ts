import { type Digest, digestFromHex, isDigest, type LockedPackage } from '../core/index.ts'
import { parseDeb822 } from './deb822.ts'
import { BuildError } from './errors.ts'

export type Archive = LockedPackage['archive']

/** What a `Release` file (the signed part of `InRelease`) says. */
export interface ArchiveRelease {
  /** Seconds since 1970. */
  readonly dateSeconds: number
  /** Files of the pocket, by path relative to `dists/<pocket>/`. */
  readonly files: ReadonlyMap<string, { readonly digest: Digest; readonly sizeBytes: number }>
}

/** @throws BuildError `archive-invalid` */
export function parseRelease(text: string, where: string): ArchiveRelease {
  const [fields] = parseDeb822(text)
  const dateSeconds = Date.parse(fields?.get('Date') ?? '') / 1000
  if (!Number.isSafeInteger(dateSeconds))
    throw new BuildError('archive-invalid', 'the archive index has no readable date', { where })
  const files = new Map<string, { digest: Digest; sizeBytes: number }>()
  for (const line of (fields?.get('SHA256') ?? '').split('\n')) {
    const [hex = '', size = '', path = ''] = line.trim().split(/\s+/)
    if (path !== '' && isDigest(`sha256:${hex}`))
      files.set(path, { digest: digestFromHex(hex), sizeBytes: Number(size) })
  }
  return { dateSeconds, files }
}

/** What the solver and the lock need to know of one version of a package. */
export interface ArchivePackage extends LockedPackage {
  readonly essential: boolean
}

/** Every package of a `Packages` file; paragraphs without a file to fetch are passed over. */
export function* parsePackages(text: string, archive: Archive): Iterable<ArchivePackage> {
  for (const fields of parseDeb822(text)) {
    const name = fields.get('Package')
    const path = fields.get('Filename')
    const hex = fields.get('SHA256') ?? ''
    if (name === undefined || path === undefined || !isDigest(`sha256:${hex}`)) continue
    yield {
      name,
      version: fields.get('Version') ?? '',
      architecture: fields.get('Architecture') ?? '',
      // Policy 5.6.1: the version stands in parentheses only where it differs from the binary's.
      source: (fields.get('Source') ?? name).replace(/ \(.*\)$/, ''),
      archive,
      path,
      digest: digestFromHex(hex),
      sizeBytes: Number(fields.get('Size')),
      essential: fields.get('Essential') === 'yes',
    }
  }
}

/** The indexes of all pockets as one catalogue. */
export class Catalogue {
  readonly #byVersion = new Map<string, ArchivePackage>()
  readonly #names = new Set<string>()
  readonly #essential = new Set<string>()

  add(found: ArchivePackage): void {
    const key = `${found.name}=${found.version}:${found.architecture}`
    // The same version may lie in more than one pocket; the first stands, so that the lock does not waver.
    if (!this.#byVersion.has(key)) this.#byVersion.set(key, found)
    this.#names.add(found.name)
    if (found.essential) this.#essential.add(found.name)
  }

  find(name: string, version: string, architecture: string): ArchivePackage | undefined {
    return this.#byVersion.get(`${name}=${version}:${architecture}`)
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  /** Names of the packages that Debian calls essential: no package depends on these by name. */
  get essential(): readonly string[] {
    return [...this.#essential].toSorted()
  }
}
