import type { Definition } from '../../core/index.ts'
import type { Sys } from '../../sys/index.ts'
import type { Archive } from '../debian/index.ts'
import { BuildError } from '../errors.ts'

/** Base addresses of the archives. They are told to apt and forgotten: the lock holds no host name. */
export type Mirrors = Readonly<Record<Archive, string>>

/** The pockets of a suite, in the order in which a version that lies in several is attributed. */
export function pocketsOf(suite: string): readonly { readonly name: string; readonly archive: Archive }[] {
  return [
    { name: suite, archive: 'debian' },
    { name: `${suite}-updates`, archive: 'debian' },
    { name: `${suite}-security`, archive: 'debian-security' },
  ]
}

/** The definition's mirrors, else those of this machine's own apt. @throws BuildError `mirror-unknown` */
export async function findMirrors(sys: Sys, base: Definition['spec']['base']): Promise<Mirrors> {
  if (base.mirrors !== undefined) return base.mirrors
  // Only of what the host has fetched is it known whose it is. Of what it has not, on one that has never updated or has
  // tidied up, no more is listed than what its sources say.
  const targets = [await listTargets(sys), await listTargets(sys, '--no-release-info')]
  return chooseMirrors(base.debian, targets.join('\n'))
}

async function listTargets(sys: Sys, ...options: readonly string[]): Promise<string> {
  const format = ['--format', '$(REPO_URI)|$(RELEASE)|$(ORIGIN)']
  const args = ['indextargets', ...options, ...format, 'Created-By: Packages']
  return new TextDecoder().decode((await sys.exec.run('apt-get', args)).stdout)
}

/** What apt leaves in place of a field that it does not know. */
const unknown = '$(ORIGIN)'

/**
 * Chooses from lines `URI|suite|origin`. An archive of another origin than Debian may have a suite of the same name, and
 * is not chosen. A suite that the machine does not have comes from where its own Debian comes from: one archive holds all suites.
 */
export function chooseMirrors(suite: string, targets: string): Mirrors {
  const lines = targets.split('\n').map((line) => {
    const [uri = '', release = '', origin = unknown] = line.trim().split('|')
    return { uri, release, origin }
  })
  // Backports are of `Debian Backports`, and lie at the same address.
  const foreign = new Set(
    lines.filter(({ origin }) => origin !== unknown && !/^Debian\b/.test(origin)).map(({ uri }) => uri),
  )
  const known = lines.filter(({ uri, origin }) => uri !== '' && origin === 'Debian')
  const perhaps = lines.filter(({ uri, origin }) => uri !== '' && origin === unknown && !foreign.has(uri))
  const uriOf = (...wanted: readonly RegExp[]) =>
    [known, perhaps]
      .flatMap((some) => wanted.map((form) => some.find(({ release }) => form.test(release))?.uri))
      .find((uri) => uri !== undefined)
  const security = uriOf(new RegExp(`^${suite}-security$`), /-security$/)
  const debian = uriOf(new RegExp(`^${suite}$`), /^[a-z]+(?:-updates)?$/)
  if (debian !== undefined && security !== undefined) return { debian, 'debian-security': security }
  throw new BuildError(
    'mirror-unknown',
    `this machine's apt has no Debian archive with ${suite} and its security updates`,
    {
      hint: 'name them in ashlar.yaml: spec.base.mirrors: { debian: …, debian-security: … }',
    },
  )
}
