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
  const format = '$(REPO_URI)|$(RELEASE)'
  const { stdout } = await sys.exec.run('apt-get', [
    'indextargets',
    // Else only what the host has fetched an index of is listed: nothing, on one that has never updated, or has tidied up.
    '--no-release-info',
    '--format',
    format,
    'Created-By: Packages',
  ])
  return chooseMirrors(base.debian, new TextDecoder().decode(stdout))
}

/**
 * Chooses from lines `URI|suite`. A suite that the machine does not have comes from where its own Debian comes from:
 * one archive holds all suites.
 */
export function chooseMirrors(suite: string, targets: string): Mirrors {
  const lines = targets.split('\n').map((line) => line.trim().split('|'))
  const uriOf = (wanted: (release: string) => boolean) =>
    lines.find(([uri, release]) => uri !== '' && release !== undefined && wanted(release))?.[0]
  const security = uriOf((r) => r === `${suite}-security`) ?? uriOf((r) => r.endsWith('-security'))
  const debian =
    uriOf((r) => r === suite) ?? uriOf((r) => /^(?:stable|oldstable|testing|[a-z]+)(?:-updates)?$/.test(r))
  if (debian !== undefined && security !== undefined) return { debian, 'debian-security': security }
  throw new BuildError(
    'mirror-unknown',
    `this machine's apt has no Debian archive with ${suite} and its security updates`,
    {
      hint: 'name them in ashlar.yaml: spec.base.mirrors: { debian: …, debian-security: … }',
    },
  )
}
