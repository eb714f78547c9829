import type { RegistryParts } from './exchange.ts'

/** distribution-spec, "Referrers Tag Schema", and cosign up to version 2: their tools write these again and again. */
const referrersTag = /^sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/

export function isWriteOnce(parts: Pick<RegistryParts, 'tagRule'>, repository: string, tag: string): boolean {
  return !referrersTag.test(tag) && (parts.tagRule?.(repository) ?? 'write-once') === 'write-once'
}
