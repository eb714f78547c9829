import { stringify } from 'yaml'
import { type Definition, type Finding, type HealthCheck, parseDefinition } from '../core/index.ts'
import type { Summary } from './plan.ts'

type Spec = Definition['spec']

export interface DefinitionParts {
  readonly name: string
  readonly suite: Spec['base']['debian']
  readonly architecture: Spec['arch']
  readonly kernel: string
  readonly kernelArguments: readonly string[]
  readonly packages: readonly string[]
  readonly layers: readonly Spec['files'][number][]
  readonly users: readonly Spec['users'][number][]
  readonly services: readonly string[]
  readonly health: readonly HealthCheck[]
}

const head = `# yaml-language-server: $schema=ashlar.schema.json
# Written by ashlar adopt from a living system. ADOPTED.md names what was left behind, and why.
`

/** The text of `ashlar.yaml`. What is as a definition has it by default is not written. */
export function printDefinition(parts: DefinitionParts): string {
  const usualKernel = parts.kernel === 'linux-image-amd64' && parts.kernelArguments.length === 0
  const some = <Value>(name: string, list: readonly Value[]) => (list.length === 0 ? {} : { [name]: list })
  const definition = {
    ...{ apiVersion: 'ashlar/v1', kind: 'Image', metadata: { name: parts.name, version: '0.1.0' } },
    spec: {
      ...(parts.architecture !== 'amd64' && { arch: parts.architecture }),
      base: { debian: parts.suite },
      ...(!usualKernel && { kernel: { package: parts.kernel, ...some('arguments', parts.kernelArguments) } }),
      ...some('packages', parts.packages),
      ...some(
        'files',
        parts.layers.map(({ from, to, owner, mode }) => ({
          ...{ from, to },
          ...(owner !== 'root:root' && { owner }),
          ...(mode !== undefined && { mode }),
        })),
      ),
      ...some('users', parts.users),
      ...some('services', parts.services),
      ...some('health', parts.health),
      trust: { release: { keys: ['keys/release.pub'] }, director: { keys: ['keys/director.pub'] } },
    },
  }
  const text = head + stringify(definition, { lineWidth: 0 })
  const parsed = parseDefinition(text)
  if (parsed.is === 'findings')
    throw new Error(`the adopted definition is refused: ${JSON.stringify(parsed.findings)}`)
  return text
}

/** `ADOPTED.md`: for people, beside the definition. */
export function printReport(summary: Summary, findings: readonly Finding[], from: string): string {
  const codes = [...new Set(findings.map(({ code }) => code))]
  const sections = codes.map((code) => {
    const rows = findings.filter((finding) => finding.code === code)
    const hints = [...new Set(rows.flatMap(({ hint }) => hint ?? []))]
    const lines = rows.map(
      ({ where, message }) => `- ${where === undefined ? '' : `\`${where}\`: `}${message}`,
    )
    return [`## ${code}`, ...hints.map((hint) => `${hint}.`), '', ...lines, ''].join('\n')
  })
  return [
    `# ${summary.name}, adopted from ${from}`,
    '',
    'Nothing below is in the image unless it says so. What is closed to others there, or looks like a secret, was not copied: it is named by its path alone. Look through rootfs before you share it: a secret that looks like a common word is not known as one.',
    '',
    ...sections,
    '## Carried over',
    '',
    ...summary.files.map((path) => `- \`${path}\``),
    '',
  ].join('\n')
}
