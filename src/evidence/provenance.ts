import {
  type Architecture,
  type Digest,
  digestHex,
  type Lock,
  type LockedPackage,
  predicateType,
  type ReleaseDocument,
  type Statement,
  statementAbout,
} from '../core/index.ts'
import type { Commit } from './commit.ts'

/** Names how the parameters and dependencies are to be read: docs/provenance.md. No URL, since no host speaks for Ashlar. */
export const buildType = 'urn:ashlar:build:v1'
/** Whoever signs says who built: a plain build on a person's host claims no more than that. */
const builder = 'urn:ashlar:builder:local'

/** in-toto ResourceDescriptor. */
interface Resource {
  readonly uri?: string
  readonly name?: string
  readonly digest: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string | boolean>>
}

/** SLSA provenance v1. No times: the same inputs give the same statement, as they give the same release. */
export interface Provenance {
  readonly buildDefinition: {
    readonly buildType: typeof buildType
    readonly externalParameters: {
      readonly name: string
      readonly version: string
      readonly architecture: Architecture
      readonly definition: { readonly digest: { readonly sha256: string } }
    }
    readonly resolvedDependencies: readonly Resource[]
  }
  readonly runDetails: {
    readonly builder: { readonly id: string; readonly version: { readonly ashlar: string } }
  }
}

export interface ProvenanceInputs {
  readonly release: Digest
  readonly document: ReleaseDocument
  readonly lock: Lock
  /** Absent where the definition lay in no git checkout. */
  readonly commit?: Commit | undefined
  /** Version of Ashlar that built. */
  readonly version: string
}

/** What a release was made from, as a statement that a release key can sign. */
export function provenanceStatement(inputs: ProvenanceInputs): Statement<Provenance> {
  const { release, document, lock } = inputs
  return statementAbout(release, document.name, predicateType.provenance, {
    buildDefinition: {
      buildType,
      externalParameters: {
        name: document.name,
        version: document.version,
        architecture: lock.architecture,
        definition: { digest: sha256(document.definition) },
      },
      resolvedDependencies: dependencies(inputs),
    },
    runDetails: {
      builder: { id: builder, version: { ashlar: inputs.version } },
    },
  })
}

function dependencies({ document, lock, commit }: ProvenanceInputs): Resource[] {
  return [
    ...(commit === undefined ? [] : [source(commit)]),
    { name: 'ashlar.lock', digest: sha256(document.lock) },
    ...lock.pockets.map((pocket) => ({
      name: `${pocket.archive}/dists/${pocket.name}/InRelease`,
      digest: sha256(pocket.digest),
    })),
    ...lock.packages.map((item) => debian(item, lock.suite, 'image')),
    ...(lock.bases ?? []).map(({ name, digest }) => ({
      name,
      digest: sha256(digest),
      annotations: { use: 'base' },
    })),
    ...lock.tools.map((item) => debian(item, lock.suite, 'tool')),
    ...(['node', 'agent'] as const).flatMap((name) => {
      const input = lock[name]
      return input === undefined ? [] : [{ name: `${name} ${input.version}`, digest: sha256(input.digest) }]
    }),
  ]
}

function source({ commit, dirty, remote }: Commit): Resource {
  return {
    name: 'source',
    ...(remote !== undefined && { uri: `git+${remote}@${commit}` }),
    digest: { gitCommit: commit },
    annotations: { dirty },
  }
}

function debian(item: LockedPackage, suite: string, use: 'image' | 'tool'): Resource {
  return { uri: packageUrl(item, suite), digest: sha256(item.digest), annotations: { use } }
}

/** package-url/purl-spec, type `deb`. Without `distro` scanners pass over a package in silence. */
function packageUrl({ name, version, architecture }: LockedPackage, suite: string): string {
  return `pkg:deb/debian/${encode(name)}@${encode(version)}?arch=${encode(architecture)}&distro=${encode(suite)}`
}

/** purl-spec, "Character encoding": a colon stays as it is; a plus is encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':')
}

function sha256(digest: Digest): { readonly sha256: string } {
  return { sha256: digestHex(digest) }
}
