import { type Architecture, architectures, type Finding, type HealthCheck } from '../core/index.ts'
import { type AccountPlan, planAccounts } from './accounts.ts'
import { type Candidate, chooseFiles } from './choose-files.ts'
import { AdoptError } from './errors.ts'
import type { Facts } from './facts.ts'
import { planHealth } from './health.ts'
import { type LaidFile, layFiles, needFindings } from './lay-files.ts'
import { type PackagePlan, planPackages } from './packages.ts'
import { planRemains } from './remains.ts'
import { planServices } from './services.ts'
import { printDefinition } from './text.ts'

/** What is known before any file was read. */
export interface Draft {
  readonly name: string
  readonly suite: 'bookworm' | 'trixie'
  readonly architecture: Architecture
  readonly packages: PackagePlan
  readonly accounts: AccountPlan
  readonly candidates: readonly Candidate[]
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
  const accounts = planAccounts(facts, packages.image)
  const { candidates, findings } = chooseFiles(facts, packages.image)
  return {
    ...{ name: name ?? imageName(facts.hostname), suite, architecture: architectureOf(facts) },
    ...{ packages, accounts, candidates },
    findings: [...packages.findings, ...accounts.findings, ...findings],
  }
}

/** The files whose content decides. */
export function pathsToRead({ candidates }: Draft): readonly string[] {
  return candidates.filter(({ entry }) => entry.kind === 'f').map(({ entry }) => entry.path)
}

export function planOf(facts: Facts, draft: Draft, contents: ReadonlyMap<string, Uint8Array>): Plan {
  const { name, suite, architecture, accounts, packages } = draft
  const laid = layFiles(facts, draft.candidates, contents, accounts)
  const ownUnits = new Set(
    [...laid.carried].flatMap((path) => /^\/etc\/systemd\/system\/([^/]+)$/.exec(path)?.[1] ?? []),
  )
  const units = planServices(facts, packages.image, ownUnits)
  const health = planHealth(facts, units.has)
  const remains = planRemains(facts)
  const secrets = [...draft.findings, ...laid.findings].filter(({ code }) => code === 'secret')
  const links = [...units.masks].map(([path, target]) => ({ path: `rootfs${path}`, target }))
  const layers =
    laid.layers.some(({ from }) => from === 'rootfs/') || links.length === 0
      ? laid.layers
      : [rootLayer, ...laid.layers]
  const summary: Summary = {
    ...{
      name,
      suite,
      architecture,
      packages: packages.packages,
      services: units.services,
      health: health.health,
    },
    users: accounts.users.map((user) => user.name),
    files: [...laid.carried, ...units.masks.keys()].toSorted(),
  }
  return {
    definition: printDefinition({
      ...{
        name,
        suite,
        architecture,
        kernel: packages.kernel,
        packages: packages.packages,
        users: accounts.users,
      },
      ...{
        kernelArguments: remains.kernelArguments,
        layers,
        services: units.services,
        health: health.health,
      },
    }),
    files: [...laid.files, ...links],
    summary,
    findings: inOrder([
      ...draft.findings,
      ...laid.findings,
      ...units.findings,
      ...health.findings,
      ...remains.findings,
      ...needFindings(laid.files, secrets),
    ]),
  }
}

const rootLayer = { from: 'rootfs/', to: '/', owner: 'root:root', directoryMode: '0755' }

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
