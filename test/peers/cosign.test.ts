import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Digest, predicateType, statementAbout } from '../../src/core/index.ts'
import {
  attachBundle,
  bundlesOf,
  openContentStore,
  openRemoteRepository,
  type Repository,
} from '../../src/oci/index.ts'
import {
  generateKeyPair,
  type KeyKind,
  keyKinds,
  loadPrivateKey,
  signStatement,
} from '../../src/sign/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { basic, releaseFixture, type TestRegistry, testRegistry } from '../../src/testing/index.ts'
import { judgeRelease } from '../../src/verify/index.ts'

/** `2.5.0=/path/to/cosign 3.1.3=…`, as `script/peers/cosign` gives it. */
const programs = (process.env.ASHLAR_COSIGN ?? '').split(' ').map((entry) => {
  const [version = '', path = ''] = entry.split('=')
  return { version, path, major: Number(version.split('.')[0]) }
})

let folder = ''
let registry: TestRegistry
let repository: Repository
/** A release for each kind of key, signed with that kind alone. */
const releases = new Map<KeyKind, Digest>()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-cosign-'))
  registry = await testRegistry(await openContentStore(realSys, join(folder, 'store')))
  const credential = () => basic('writer')
  repository = openRemoteRepository(realSys, { url: registry.url, name: 'gateway', credential })
  const auths = { [new URL(registry.url).host]: { auth: credential().slice('Basic '.length) } }
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths }))
  // No authority and no log: what a host without the internet knows.
  const root = { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' }
  writeFileSync(join(folder, 'root.json'), JSON.stringify(root))
  writeFileSync(
    join(folder, 'signing.json'),
    JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json' }),
  )
  writeFileSync(join(folder, 'stranger.pub'), generateKeyPair().publicKey)
  for (const [minor, kind] of keyKinds.entries()) await signRelease(kind, `1.${minor}.0`)
})

afterAll(async () => {
  await registry.close()
  rmSync(folder, { recursive: true })
})

async function signRelease(kind: KeyKind, version: string): Promise<void> {
  const { digest } = await releaseFixture(repository, { version })
  const pair = generateKeyPair(kind)
  writeFileSync(join(folder, `${kind}.pub`), pair.publicKey)
  const index = await repository.manifest(digest)
  writeFileSync(join(folder, `${kind}.index`), index?.bytes ?? '')
  for (const [name, type, predicate] of [
    ['signature', predicateType.signature, {}],
    ['provenance', predicateType.provenance, { buildDefinition: {}, runDetails: {} }],
  ] as const)
    for (const bundle of signStatement(statementAbout(digest, 'gateway', type, predicate), [
      loadPrivateKey(pair.privateKey),
    ])) {
      await attachBundle(repository, digest, bundle, type)
      writeFileSync(join(folder, `${kind}.${name}`), bundle)
    }
  releases.set(kind, digest)
}

/** Not by spawnSync: the registry that cosign asks runs in this process. */
async function run(program: string, ...args: string[]): Promise<{ exitCode: number; text: string }> {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, DOCKER_CONFIG: folder, COSIGN_PASSWORD: 'secret' }
  const { exitCode, stdout, stderr } = await realSys.exec.run(program, args, {
    cwd: folder,
    env,
    timeoutMs: 60_000,
  })
  return { exitCode, text: Buffer.from(stdout).toString() + stderr }
}

const accepted = { exitCode: 0 }
const refused = { exitCode: 1 }
const at = (digest: Digest | undefined) => `${new URL(registry.url).host}/gateway@${digest}`
/** A key stands alone: there is no log and no authority to ask. */
const alone = ['--insecure-ignore-tlog', '--trusted-root', 'root.json']

describe.each(programs)('cosign $version', ({ path, major }) => {
  const bundles = major === 2 ? ['--new-bundle-format'] : []

  describe.each(keyKinds)('judges what was signed with %s', (kind) => {
    test.each([
      ['signature', predicateType.signature],
      ['provenance', 'slsaprovenance1'],
    ])('the %s in the registry', async (_name, type) => {
      const verify = (key: string) =>
        run(
          path,
          'verify-attestation',
          ...bundles,
          ...alone,
          '--type',
          type,
          '--key',
          key,
          at(releases.get(kind)),
        )
      expect(await verify(`${kind}.pub`)).toMatchObject(accepted)
      expect(await verify('stranger.pub')).toMatchObject(refused)
    })

    test('the signature as a file, whose blob is the index of the release', async () => {
      const verify = (key: string, blob: string) =>
        run(
          path,
          'verify-blob-attestation',
          ...bundles,
          ...alone,
          '--bundle',
          `${kind}.signature`,
          '--type',
          predicateType.signature,
          '--key',
          key,
          blob,
        )
      expect(await verify(`${kind}.pub`, `${kind}.index`)).toMatchObject(accepted)
      expect(await verify('stranger.pub', `${kind}.index`)).toMatchObject(refused)
      expect(await verify(`${kind}.pub`, 'root.json')).toMatchObject(refused)
    })

    test.runIf(major >= 3)('the signature as that of an image, by the plain verify', async () => {
      const verify = (key: string) => run(path, 'verify', ...alone, '--key', key, at(releases.get(kind)))
      expect(await verify(`${kind}.pub`)).toMatchObject(accepted)
      expect(await verify('stranger.pub')).toMatchObject(refused)
    })
  })

  test.runIf(major >= 3)('signs releases that we accept', async () => {
    const { digest } = await releaseFixture(repository, { version: '2.0.0' })
    expect(await run(path, 'generate-key-pair')).toMatchObject(accepted)
    const sign = ['--signing-config', 'signing.json', '--trusted-root', 'root.json', '--yes']
    expect(await run(path, 'sign', ...sign, '--key', 'cosign.key', at(digest))).toMatchObject(accepted)
    const verdict = judgeRelease({
      release: digest,
      bundles: await bundlesOf(repository, digest),
      trust: { release: { threshold: 1, keys: [readFileSync(join(folder, 'cosign.pub'), 'utf8')] } },
    })
    expect(verdict).toMatchObject({ is: 'verified', findings: [] })
  })
})
