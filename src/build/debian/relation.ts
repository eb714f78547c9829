import { compareVersions } from './debian-version.ts'

/** One package that another names in a field such as `Depends`: `libc6 (>= 2.36)`. */
export interface Relation {
  readonly name: string
  readonly version?: { readonly operator: string; readonly than: string }
}

/** `a (>= 1) | b:any, c [amd64]`: groups that all count, each a list of alternatives (Policy 7.1). */
export function parseRelations(field = ''): readonly (readonly Relation[])[] {
  return field
    .split(',')
    .map((group) => group.split('|').flatMap(parseRelation))
    .filter((group) => group.length > 0)
}

function parseRelation(text: string): readonly Relation[] {
  const pattern =
    /^\s*([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?/
  const [, name, operator, than] = pattern.exec(text) ?? []
  if (name === undefined) return []
  return [{ name, ...(operator !== undefined && than !== undefined && { version: { operator, than } }) }]
}

export function printRelation({ name, version }: Relation): string {
  return version === undefined ? name : `${name} (${version.operator} ${version.than})`
}

/** Whether a version is one that a relation means. */
export function holds(version: string, { version: wanted }: Relation): boolean {
  if (wanted === undefined) return true
  const order = compareVersions(version, wanted.than)
  switch (wanted.operator) {
    case '<<':
      return order < 0
    case '>>':
      return order > 0
    case '=':
      return order === 0
    // Policy 7.1: a single sign, long out of use, includes the version itself.
    case '<':
    case '<=':
      return order <= 0
    default:
      return order >= 0
  }
}
