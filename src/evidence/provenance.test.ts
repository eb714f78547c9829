import { describe, expect, test } from 'vitest'
import {
  type Digest,
  digestFromHex,
  type Lock,
  lockSchema,
  parseStatement,
  parseVersion,
  predicateType,
  type ReleaseDocument,
} from '../core/index.ts'
import { buildType, provenanceStatement } from './index.ts'

const digest = (letter: string): Digest => digestFromHex(letter.repeat(64))
const debian = (name: string, version: string, letter: string) => ({
  name,
  version,
  architecture: 'amd64',
  source: name,
  archive: 'debian' as const,
  path: `pool/main/x/${name}.deb`,
  digest: digest(letter),
  sizeBytes: 1,
})

const lock: Lock = lockSchema.parse({
  lockVersion: 1,
  request: digest('d'),
  architecture: 'amd64',
  suite: 'bookworm',
  epochSeconds: 1_700_000_000,
  pockets: [
    {
      name: 'bookworm-security',
      archive: 'debian-security',
      digest: digest('1'),
      sizeBytes: 1,
      signers: ['A'.repeat(40)],
    },
  ],
  packages: [debian('libstdc++6', '2:12.2.0-14+deb12u1', '2')],
  layers: [['gcc-12']],
  tools: [debian('dracut', '059-4', '3')],
  node: { version: '24.21.0', digest: digest('4'), sizeBytes: 1 },
})
const document: ReleaseDocument = {
  apiVersion: 'ashlar/v1',
  kind: 'Release',
  name: 'gateway',
  version: parseVersion('1.1.0'),
  counter: 1,
  floor: 0,
  form: 'system',
  definition: digest('d'),
  lock: digest('e'),
  epochSeconds: 1_700_000_000,
  parameters: {},
  health: [],
  disks: {},
}
const inputs = { release: digest('f'), document, lock, version: '0.1.0' }
const commit = { commit: 'c'.repeat(40), dirty: true, remote: 'https://example.org/gateway' }

describe('provenance', () => {
  test('names the release, its parameters and who built', () => {
    const statement = provenanceStatement(inputs)
    expect(parseStatement(JSON.stringify(statement))).toEqual(statement)
    expect(statement.predicateType).toBe(predicateType.provenance)
    expect(statement.subject).toEqual([{ name: 'gateway', digest: { sha256: 'f'.repeat(64) } }])
    expect(statement.predicate.buildDefinition.buildType).toBe(buildType)
    expect(statement.predicate.buildDefinition.externalParameters).toEqual({
      name: 'gateway',
      version: '1.1.0',
      architecture: 'amd64',
      definition: { digest: { sha256: 'd'.repeat(64) } },
    })
    expect(statement.predicate.runDetails.builder.version).toEqual({ ashlar: '0.1.0' })
  })

  test('names every input of the build, each with its digest', () => {
    const { resolvedDependencies } = provenanceStatement({ ...inputs, commit }).predicate.buildDefinition
    expect(resolvedDependencies).toEqual([
      {
        name: 'source',
        uri: `git+https://example.org/gateway@${'c'.repeat(40)}`,
        digest: { gitCommit: 'c'.repeat(40) },
        annotations: { dirty: true },
      },
      { name: 'ashlar.lock', digest: { sha256: 'e'.repeat(64) } },
      { name: 'debian-security/dists/bookworm-security/InRelease', digest: { sha256: '1'.repeat(64) } },
      {
        uri: 'pkg:deb/debian/libstdc%2B%2B6@2:12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm',
        digest: { sha256: '2'.repeat(64) },
        annotations: { use: 'image' },
      },
      {
        uri: 'pkg:deb/debian/dracut@059-4?arch=amd64&distro=bookworm',
        digest: { sha256: '3'.repeat(64) },
        annotations: { use: 'tool' },
      },
      { name: 'node 24.21.0', digest: { sha256: '4'.repeat(64) } },
    ])
  })

  test('claims no commit where there was none', () => {
    const { resolvedDependencies } = provenanceStatement(inputs).predicate.buildDefinition
    expect(resolvedDependencies[0]).toMatchObject({ name: 'ashlar.lock' })
  })
})
