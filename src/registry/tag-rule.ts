import { isRepository } from '../core/index.ts'
import { RegistryError } from './errors.ts'

/** Whether tags of a repository may be moved and removed. */
export type TagRule = (repository: string) => 'write-once' | 'mutable'

/**
 * The rule of a registry in which tags move only in these repositories: each pattern is a name, all that lies below a
 * name (`try/*`), or `*`. @throws RegistryError `name-invalid`
 */
export function tagRuleOf(mutable: readonly string[]): TagRule {
  for (const pattern of mutable) {
    if (pattern === '*' || isRepository(pattern.replace(/\/\*$/, ''))) continue
    throw new RegistryError(
      'name-invalid',
      `${JSON.stringify(pattern)} is no repository, nor a pattern of some`,
      {
        hint: 'write a name, all below a name, or all there is: nightly, try/*, *',
      },
    )
  }
  return (repository) =>
    mutable.some((pattern) =>
      pattern.endsWith('*') ? repository.startsWith(pattern.slice(0, -1)) : pattern === repository,
    )
      ? 'mutable'
      : 'write-once'
}

/** distribution-spec, "Referrers Tag Schema", and cosign up to version 2: their tools write these again and again. */
const referrersTag = /^sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/

export function isWriteOnce(rule: TagRule, repository: string, tag: string): boolean {
  return !referrersTag.test(tag) && rule(repository) === 'write-once'
}
