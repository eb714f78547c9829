import { type Architecture, architectures, type Finding, type HealthCheck } from '../core/index.ts'
import { type AccountPlan, planAccounts } from './accounts.ts'
import { chooseFiles } from './choose-files.ts'
import { AdoptError } from './errors.ts'
import type { Entry, Facts } from './facts.ts'
import { folderFindings } from './folders.ts'
import { planHealth } from './health.ts'
import { planKernelArguments } from './kernel-arguments.ts'
import { type FilePlan, type LaidFile, layFiles, needFindings } from './lay-files.ts'
import { packageFileFindings } from './package-files.ts'
import { type PackagePlan, planPackages } from './packages.ts'
import { remainsFindings } from './remains.ts'
import { planServices } from './services.ts'
import { printDefinition } from './text.ts'

/** What is known before any file was read. */
export interface Draft {
  readonly name: string
  readonly suite: 'bookworm' | 'trixie'
  readonly architecture: Architecture
  readonly packages: PackagePlan
  readonly accounts: AccountPlan
  readonly candidates: readonly Entry[]
  readonly findings: readonly Finding[]
}

/** A definition's text and files, and what is to be known about the rest. */
export interface Plan {
  readonly definition: string
  readonly files: readonly LaidFile[]
  readonly summary: Summary
  readonly findings: readonly Finding[]
}

export interface Summary {
  readonly name: string
  readonly suite: string
  readonly architecture: string
  readonly packages: readonly string[]
  readonly users: readonly string[]
  readonly services: readonly string[]
  readonly files: readonly string[]
  readonly health: readonly HealthCheck[]
}

/** @throws AdoptError `not-debian`, `suite-unsupported`, `architecture-unsupported` */
export function draftOf(facts: Facts, name: string | undefined): Draft {
  const suite = suiteOf(facts)
  const packages = planPackages(facts)
  const accounts = planAccounts(facts, packages)
  const { candidates, findings } = chooseFiles(facts, packages.image)
  return {
    ...{ name: name ?? imageName(facts.hostname), suite, architecture: architectureOf(facts) },
    ...{ packages, accounts, candidates },
    findings: [...packages.findings, ...accounts.findings, ...findings],
  }
}

/** The files whose content decides. */
export function pathsToRead({ candidates }: Draft): readonly string[] {
  return candidates.filter(({ kind }) => kind === 'f').map(({ path }) => path)
}

export function planOf(facts: Facts, draft: Draft, contents: ReadonlyMap<string, Uint8Array>): Plan {
  const { name, suite, architecture, accounts, packages } = draft
  const laid = layFiles(facts, draft.candidates, contents, accounts)
  const services = planServices(facts, packages.image, laid.carried)
  const health = planHealth(facts, services.has)
  const kernel = planKernelArguments(facts)
  const masks = [...services.masks].map(([path, target]) => ({ path: `rootfs${path}`, target }))
  const files = [...laid.files, ...masks]
  const layers = masks.length === 0 ? laid.layers : withRoot(laid.layers)
  const secrets = [...draft.findings, ...laid.findings].filter(({ code }) => code === 'secret')
  const common = { name, suite, architecture, packages: packages.packages, services: services.services }
  return {
    definition: printDefinition({
      ...{ ...common, layers, users: accounts.users, health: health.health },
      ...{ kernel: packages.kernel, kernelArguments: kernel.kernelArguments },
    }),
    files,
    summary: {
      ...{ ...common, health: health.health, users: accounts.users.map((user) => user.name) },
      files: [...laid.carried, ...services.masks.keys()].toSorted(),
    },
    findings: inOrder([
      ...[
        ...draft.findings,
        ...laid.findings,
        ...services.findings,
        ...health.findings,
        ...kernel.findings,
        ...remainsFindings(facts),
        ...packageFileFindings(facts, packages.image),
      ],
      ...[...needFindings(laid.files, secrets), ...folderFindings(facts, files, layers)],
    ]),
  }
}

/** Masks lie in root's own tree. */
function withRoot(layers: FilePlan['layers']): FilePlan['layers'] {
  const from = 'rootfs/'
  if (layers.some((layer) => layer.from === from)) return layers
  return [{ from, to: '/', owner: 'root:root', directoryMode: '0755' }, ...layers]
}

/** By code, then by place: the same system gives the same report. */
function inOrder(findings: readonly Finding[]): readonly Finding[] {
  const key = ({ code, where, message }: Finding) => `${code}\0${where ?? ''}\0${message}`
  return findings.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

const suites = ['bookworm', 'trixie'] as const

function suiteOf({ release, debianVersion }: Facts): (typeof suites)[number] {
  const name = release.PRETTY_NAME ?? release.ID ?? 'a system without /etc/os-release'
  if (release.ID !== 'debian')
    throw new AdoptError('suite-unsupported', `this is ${name}; images are made of Debian`, {
      where: '/etc/os-release',
      hint: `adopt a machine with Debian ${suites.join(' or ')}`,
    })
  const codename = release.VERSION_CODENAME ?? ''
  const suite = suites.find((one) => one === codename)
  // While a suite is being made, testing and unstable bear its name.
  if (suite !== undefined && !/sid/.test(debianVersion)) return suite
  throw new AdoptError(
    'suite-unsupported',
    `this is ${name} (${debianVersion || codename}); images are made of ${suites.join(' or ')}`,
    {
      where: '/etc/os-release',
      hint: 'upgrade the machine to one of these, then adopt it',
    },
  )
}

function architectureOf({ architecture }: Facts): Architecture {
  const found = architectures.find((one) => one === architecture)
  if (found !== undefined) return found
  throw new AdoptError(
    'architecture-unsupported',
    `this system is for ${architecture || 'no known processor'}`,
    {
      hint: `images are made for ${architectures.join(' and ')}`,
    },
  )
}

function imageName(hostname: string): string {
  const name = (hostname.split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
  return name === '' ? 'adopted' : name
}
