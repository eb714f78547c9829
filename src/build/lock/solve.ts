import type { Finding, LockedPackage } from '../../core/index.ts'
import { type Catalogue, presentPackage } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { type DefinitionFile, definitionName } from '../inputs/index.ts'
import type { Apt, Solved } from './apt.ts'
import { readExplanation } from './apt-explanation.ts'
import { placeOf } from './package-names.ts'
import { explainUnmet } from './unmet.ts'

export interface SolverContext {
  readonly apt: Apt
  readonly catalogue: Catalogue
  readonly definitionFile: DefinitionFile
}

/** The packages that `roots` come to, sorted by name. @throws BuildError `dependencies-unmet` with every reason that can be told */
export async function solve(
  context: SolverContext,
  roots: readonly string[],
): Promise<readonly LockedPackage[]> {
  if (roots.length === 0) return []
  const solution = await context.apt.solve(roots)
  if (solution.is === 'solved') return choose(solution.packages, context.catalogue)
  throw new BuildError('dependencies-unmet', 'these packages cannot be installed together', {
    where: definitionName,
    hint: 'change spec.packages in ashlar.yaml; where it names nothing of this, another mirror may be whole',
    findings: findingsOf(context, roots, solution.output),
  })
}

function findingsOf(
  { catalogue, definitionFile }: SolverContext,
  roots: readonly string[],
  output: string,
): readonly Finding[] {
  const unmet = explainUnmet(catalogue, roots, presentPackage.provides)
  if (unmet.length > 0)
    return unmet.map(({ code, message, root }) => ({ code, message, where: placeOf(definitionFile, root) }))
  const said = readExplanation(output)
  if (said.length === 0) return [{ code: 'dependency-unmet', message: output.trim() }]
  return said.map((reason) => ({
    code: 'dependency-unmet',
    message: `${reason.package} ${reason.says}`,
    where: placeOf(definitionFile, reason.package),
  }))
}

function choose(solved: readonly Solved[], catalogue: Catalogue): readonly LockedPackage[] {
  return solved
    .map(({ name, version, architecture }) => {
      const found = catalogue.find(name, version, architecture)
      if (found === undefined)
        throw new BuildError('archive-invalid', `apt chose ${name} ${version}, which no index has`, {
          where: name,
        })
      return found
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
