import type { Finding } from '../../core/index.ts'
import {
  type Catalogue,
  holds,
  type Paragraph,
  parseRelations,
  printRelation,
  type Relation,
} from '../debian/index.ts'

/** Why packages cannot be had together. */
export interface Unmet extends Pick<Finding, 'code' | 'message'> {
  /** The package that was asked for, from which it follows. */
  readonly root: string
}

/** What must be installed because of what was asked for, each with who wants it; a root is wanted by nobody. */
type Forced = Map<string, string | undefined>

/**
 * Finds out why apt refused `roots`. apt names the last link of a chain, and of a conflict often neither side; here
 * only choices that are forced are followed, so that what is found is true whatever a solver would try. Nothing is
 * found where every way fails for another reason. `present` counts as installed.
 */
export function explainUnmet(
  catalogue: Catalogue,
  roots: readonly string[],
  present: readonly string[],
): readonly Unmet[] {
  const forced: Forced = new Map()
  const missing: Unmet[] = []
  const queue: [name: string, wantedBy: string | undefined][] = roots.map((root) => [root, undefined])
  for (const [name, wantedBy] of queue) {
    const fields = catalogue.newest(name)
    if (forced.has(name) || fields === undefined) continue
    forced.set(name, wantedBy)
    for (const group of dependenciesOf(fields)) {
      if (group.some((relation) => present.includes(relation.name))) continue
      const [first, ...others] = new Set(group.flatMap((relation) => satisfiersOf(catalogue, relation)))
      if (first === undefined) missing.push(missingOne(catalogue, forced, name, group))
      else if (others.length === 0) queue.push([first, name])
    }
  }
  return missing.length > 0 ? missing : conflictsAmong(catalogue, forced)
}

function dependenciesOf(fields: Paragraph): readonly (readonly Relation[])[] {
  return ['Pre-Depends', 'Depends'].flatMap((field) => parseRelations(fields.get(field)))
}

function satisfiersOf(catalogue: Catalogue, relation: Relation): readonly string[] {
  const candidates = [relation.name, ...catalogue.providersOf(relation.name)]
  return candidates.filter((name) => satisfies(catalogue, name, relation))
}

/** Whether a package is what a relation means, under its own name or one that it provides (Policy 7.5). */
function satisfies(catalogue: Catalogue, name: string, relation: Relation): boolean {
  const fields = catalogue.newest(name)
  if (fields === undefined) return false
  if (name === relation.name && holds(fields.get('Version') ?? '', relation)) return true
  return parseRelations(fields.get('Provides'))
    .flat()
    .some(
      (provided) =>
        provided.name === relation.name &&
        (relation.version === undefined ||
          (provided.version !== undefined && holds(provided.version.than, relation))),
    )
}

function missingOne(catalogue: Catalogue, forced: Forced, name: string, group: readonly Relation[]): Unmet {
  const wanted = group.map(printRelation).join(' | ')
  const there = group.map((relation) => {
    const version = catalogue.newest(relation.name)?.get('Version')
    return version === undefined ? `no package ${relation.name}` : `${relation.name} ${version}`
  })
  const { root, text } = wayTo(forced, name)
  return {
    root,
    code: 'dependency-missing',
    message: `${text}${name} depends on ${wanted}, and the archive has ${there.join(' and ')}`,
  }
}

function conflictsAmong(catalogue: Catalogue, forced: Forced): readonly Unmet[] {
  const found = new Map<string, Unmet>()
  for (const name of forced.keys())
    for (const field of ['Conflicts', 'Breaks'] as const)
      for (const relation of parseRelations(catalogue.newest(name)?.get(field)).flat())
        for (const other of satisfiersOf(catalogue, relation)) {
          const pair = [name, other].toSorted().join(' ')
          if (other === name || !forced.has(other) || found.has(pair)) continue
          found.set(pair, conflictOf(forced, { name, verb: verbs[field], relation, other }))
        }
  return [...found.values()]
}

const verbs = { Conflicts: 'conflicts with', Breaks: 'breaks' } as const

function conflictOf(
  forced: Forced,
  found: {
    readonly name: string
    readonly verb: string
    readonly relation: Relation
    readonly other: string
  },
): Unmet {
  const { name, verb, relation, other } = found
  const [one, two] = [wayTo(forced, name), wayTo(forced, other)]
  const which = relation.name === other ? '' : `, which ${other} provides`
  return {
    root: one.root,
    code: 'dependency-conflict',
    message: `${one.text}${two.text}${name} ${verb} ${printRelation(relation)}${which}`,
  }
}

/** `a depends on b, b depends on c; ` down to `name`; nothing where it was asked for itself. */
function wayTo(forced: Forced, name: string): { readonly root: string; readonly text: string } {
  const way = [name]
  for (let one = forced.get(name); one !== undefined; one = forced.get(one)) way.unshift(one)
  const steps = way.slice(1).map((wanted, index) => `${way[index]} depends on ${wanted}`)
  return { root: way[0] ?? name, text: steps.length === 0 ? '' : `${steps.join(', ')}; ` }
}
