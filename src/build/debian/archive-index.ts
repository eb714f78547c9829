import {
  type Digest,
  digestFromHex,
  isDigest,
  type LockedPackage,
  lockedPackageSchema,
} from '../../core/index.ts'
import { BuildError } from '../errors.ts'
import { type Paragraph, parseDeb822 } from './deb822.ts'
import { compareVersions } from './debian-version.ts'
import { parseRelations } from './relation.ts'

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
  if (!Number.isSafeInteger(dateSeconds) || dateSeconds < 0)
    throw new BuildError('archive-invalid', 'the archive index has no readable date', { where })
  const files = new Map<string, { digest: Digest; sizeBytes: number }>()
  for (const line of (fields?.get('SHA256') ?? '').split('\n')) {
    const [hex = '', size = '', path = ''] = line.trim().split(/\s+/)
    if (path !== '' && isDigest(`sha256:${hex}`) && /^\d{1,15}$/.test(size))
      files.set(path, { digest: digestFromHex(hex), sizeBytes: Number(size) })
  }
  return { dateSeconds, files }
}

/**
 * Every package of a `Packages` file; paragraphs without a file to fetch are passed over.
 * @throws BuildError `archive-invalid` for one that no lock could hold
 */
export function* parsePackages(text: string, archive: Archive): Iterable<LockedPackage> {
  for (const fields of parseDeb822(text)) {
    const name = fields.get('Package')
    const path = fields.get('Filename')
    const hex = fields.get('SHA256') ?? ''
    if (name === undefined || path === undefined || !isDigest(`sha256:${hex}`)) continue
    yield lockable({
      name,
      version: fields.get('Version') ?? '',
      architecture: fields.get('Architecture') ?? '',
      // Policy 5.6.1: the version stands in parentheses only where it differs from the binary's.
      source: (fields.get('Source') ?? name).replace(/ \(.*\)$/, ''),
      archive,
      path,
      digest: digestFromHex(hex),
      sizeBytes: Number(fields.get('Size')),
    })
  }
}

/** A signed index may be wrong as well: a path out of the archive, a size that is none. */
function lockable(found: LockedPackage): LockedPackage {
  const result = lockedPackageSchema.safeParse(found)
  if (result.success) return result.data
  const why = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  throw new BuildError('archive-invalid', `the archive's index describes ${found.name} wrongly: ${why}`, {
    where: found.name,
    hint: 'the mirror is broken: try another one (spec.base.mirrors)',
  })
}

/** The indexes of all pockets as one catalogue. Of 64,000 paragraphs some hundred are wanted: only these are parsed. */
export class Catalogue {
  readonly #entries = new Map<string, { readonly text: string; readonly archive: Archive }[]>()
  readonly #essential = new Set<string>()
  /** Wanted only where a lock fails. */
  #providers: ReadonlyMap<string, readonly string[]> | undefined

  /** Adds a `Packages` file. The same version may lie in more than one pocket; the first stands, so that the lock does not waver. */
  add(packages: string, archive: Archive): void {
    for (const text of packages.split('\n\n')) {
      const name = /^Package: (\S+)$/m.exec(text)?.[1]
      if (name === undefined) continue
      const entry = { text, archive }
      const others = this.#entries.get(name)
      if (others === undefined) this.#entries.set(name, [entry])
      else others.push(entry)
      if (text.includes('\nEssential: yes')) this.#essential.add(name)
    }
  }

  find(name: string, version: string, architecture: string): LockedPackage | undefined {
    return (this.#entries.get(name) ?? [])
      .flatMap(({ text, archive }) => [...parsePackages(text, archive)])
      .find((found) => found.version === version && found.architecture === architecture)
  }

  /** What a package's newest version says of itself: the one that apt would take. */
  newest(name: string): Paragraph | undefined {
    return (this.#entries.get(name) ?? [])
      .flatMap(({ text }) => [...parseDeb822(text)])
      .toSorted((a, b) => compareVersions(b.get('Version') ?? '', a.get('Version') ?? ''))[0]
  }

  /** Names of the packages that say that they are this one, too (Policy 7.5). */
  providersOf(name: string): readonly string[] {
    this.#providers ??= this.#readProviders()
    return this.#providers.get(name) ?? []
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  names(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Names of the packages that Debian calls essential: no package depends on these by name. */
  get essential(): readonly string[] {
    return [...this.#essential].toSorted()
  }

  #readProviders(): ReadonlyMap<string, readonly string[]> {
    const providers = new Map<string, string[]>()
    for (const [name, entries] of this.#entries) {
      const fields = entries.flatMap(({ text }) => /^Provides: (.*)$/m.exec(text)?.[1] ?? [])
      const provided = fields
        .flatMap((field) => parseRelations(field).flat())
        .map((relation) => relation.name)
      for (const other of new Set(provided)) providers.set(other, [...(providers.get(other) ?? []), name])
    }
    return providers
  }
}
