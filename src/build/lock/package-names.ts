import { type Finding, nearest } from '../../core/index.ts'
import type { Catalogue } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { type DefinitionFile, definitionName } from '../inputs/index.ts'

/** Tells where packages are that this catalogue lacks: `non-free-firmware of bookworm`. */
export type Elsewhere = (names: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>

/** apt would stop at the first unknown name, and say nothing of what was meant. @throws BuildError `package-unknown` */
export async function checkNames(
  file: DefinitionFile,
  catalogue: Catalogue,
  elsewhere: Elsewhere,
): Promise<void> {
  const unknown = namedIn(file).filter(({ name }) => !catalogue.has(name))
  if (unknown.length === 0) return
  const names = [...new Set(unknown.map(({ name }) => name))]
  const lost = names.filter((name) => catalogue.providersOf(name).length === 0)
  const places = lost.length === 0 ? new Map<string, readonly string[]>() : await elsewhere(lost)
  const { debian } = file.definition.spec.base
  throw new BuildError('package-unknown', `${debian} has no package ${names.join(', ')}`, {
    where: definitionName,
    hint: 'correct these names in ashlar.yaml',
    findings: unknown.map((one) => findingOf(one, catalogue, places.get(one.name) ?? [])),
  })
}

/** The place of a name in the definition; none where Ashlar itself asks for it. */
export function placeOf(file: DefinitionFile, name: string): string | undefined {
  return namedIn(file).find((one) => one.name === name)?.where
}

interface Named {
  readonly name: string
  readonly where: string
}

function namedIn({ definition: { spec }, place }: DefinitionFile): readonly Named[] {
  const packages = spec.packages.map((name, index) => ({ name, where: place(['spec', 'packages', index]) }))
  const kernel = { name: spec.kernel.package, where: place(['spec', 'kernel', 'package']) }
  return spec.form === 'system' ? [...packages, kernel] : packages
}

function findingOf({ name, where }: Named, catalogue: Catalogue, elsewhere: readonly string[]): Finding {
  const providers = catalogue.providersOf(name)
  if (providers.length > 0)
    return {
      ...{ code: 'package-virtual', where },
      message: `${name} is no package of its own: ${list(providers)} ${providers.length === 1 ? 'provides' : 'provide'} it`,
      hint: providers.length === 1 ? `name ${providers[0]}` : 'name one of them',
    }
  if (elsewhere.length > 0)
    return {
      ...{ code: 'package-elsewhere', where },
      message: `${name} is there, but only in ${elsewhere.join(', ')}`,
      hint: 'Ashlar takes packages of main, in the suite of spec.base.debian and for spec.arch',
    }
  const near = nearest(name, catalogue.names())
  const meant = near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
  return { code: 'package-unknown', message: `there is no package ${name}${meant}`, where }
}

/** Providers that a line holds. */
const listedMax = 6

function list(names: readonly string[]): string {
  const more = names.length - listedMax
  return `${names.slice(0, listedMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
