import { join } from 'node:path'
import { AshlarError, architectures, type Definition } from '../../core/index.ts'
import type { Sys } from '../../sys/index.ts'
import { Apt, type AptOptions } from './apt.ts'
import type { Elsewhere } from './package-names.ts'

/** Suites of Debian that a definition can name. */
const suites: readonly Definition['spec']['base']['debian'][] = ['bookworm', 'trixie']
const otherComponents = ['contrib', 'non-free', 'non-free-firmware']

/**
 * Looks through what a lock does not: other components, the other suite, other architectures of the same archive. It
 * only gives advice on a name that is wrong, so that an archive that lacks some of it gives less advice, and no error.
 */
export function lookElsewhere(options: Omit<AptOptions, 'sources'>): Elsewhere {
  return async (names) => {
    const { sys, folder } = options
    options.note(`looking for ${names.join(', ')} in other parts of the archive`)
    const apt = await Apt.open({ ...options, sources: otherSources(options), attemptsMax: 1 })
    await apt.update().catch((error: unknown) => {
      if (!(error instanceof AshlarError)) throw error
    })
    const found = new Map<string, string[]>()
    const lists = join(folder, 'lists')
    for (const file of await sys.disk.readdir(lists)) {
      const place = placeOfList(file, options)
      if (place === undefined) continue
      const all = await namesIn(sys, join(lists, file))
      for (const name of names.filter((wanted) => all.has(wanted)))
        found.set(name, [...(found.get(name) ?? []), place])
    }
    return found
  }
}

function otherSources({ suite, architecture, mirrors, keyring }: Omit<AptOptions, 'sources'>) {
  const line = (arch: string, name: string, components: readonly string[]) =>
    `deb [arch=${arch} signed-by=${keyring}] ${mirrors.debian} ${name} ${components.join(' ')}`
  return [
    line(architecture, suite, otherComponents),
    ...suites.filter((other) => other !== suite).map((other) => line(architecture, other, ['main'])),
    ...architectures.filter((other) => other !== architecture).map((other) => line(other, suite, ['main'])),
  ]
}

/** `…_dists_bookworm_non-free_binary-amd64_Packages` as words. */
function placeOfList(
  file: string,
  { suite, architecture }: Pick<AptOptions, 'suite' | 'architecture'>,
): string | undefined {
  const [, name, component, arch] = /_dists_([^_]+)_([^_]+)_binary-([^_]+)_Packages$/.exec(file) ?? []
  if (name === undefined) return undefined
  const which = component === 'main' ? name : `${component} of ${name}`
  return arch === architecture ? which : `${name === suite ? suite : which} for ${arch}`
}

async function namesIn(sys: Sys, file: string): Promise<ReadonlySet<string>> {
  const text = await sys.disk.readFile(file, 'utf8')
  return new Set([...text.matchAll(/^Package: (\S+)$/gm)].map(([, name = '']) => name))
}
