import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Assignment, parseAssignment } from '../api/index.ts'
import { lockDefinition } from '../build/index.ts'
import {
  canonicalJson,
  type Digest,
  digestFromHex,
  mediaType,
  noProgress,
  predicateType,
  statementAbout,
} from '../core/index.ts'
import {
  attachBundle,
  type ContentStore,
  copyRelease,
  openContentStore,
  openRemoteRepository,
  type Repository,
  readRelease,
} from '../oci/index.ts'
import {
  generateKeyPair,
  type KeyPair,
  loadPrivateKey,
  type PrivateKey,
  signEnvelope,
  signStatement,
} from '../sign/index.ts'
import { realSys } from '../sys/index.ts'
import { basic, debianArchive, releaseFixture, type TestRegistry, testRegistry } from '../testing/index.ts'
import { judgeAssignment } from '../verify/index.ts'
import { adviceOn } from './advice.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'
import { type Failure, printFailure, toFailure } from './failure.ts'

/** What a person is told, each time after the real thing was provoked: code, what, where, and what mends it. */
interface Told {
  readonly code: string
  readonly says: RegExp
  readonly where?: RegExp
  readonly mend: RegExp
  /** Of the first finding. */
  readonly finding?: RegExp
}

let cli: CommandFixture
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-errors-'))
  cli = commandFixture(realSys, join(folder, 'data'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const failureOf = (work: Promise<unknown>): Promise<Failure> =>
  work.then(
    () => ({ code: 'no error', message: '' }),
    (error: unknown) => toFailure(error),
  )

function expectTold(failure: Failure, { code, says, where, mend, finding }: Told): void {
  expect(failure).toMatchObject({
    ...{ code, message: expect.stringMatching(says), hint: expect.stringMatching(mend) },
    ...(where !== undefined && { where: expect.stringMatching(where) }),
    ...(finding !== undefined && {
      findings: [expect.objectContaining({ message: expect.stringMatching(finding) })],
    }),
  })
  const printed = printFailure(failure, false)
  expect(printed).toMatch(/^error: [^\n]+\[/)
  expect(printed).toMatch(/^ {2}mend /m)
}

describe('a definition', () => {
  const good = `apiVersion: ashlar/v1
kind: Image
metadata: { name: hello, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm }
  packages: [hello]
  run: { command: [/bin/true] }
`

  test.each([
    ['with broken YAML', good.replace('bookworm }', 'bookworm'), 'yaml-broken', /Flow map/, 7],
    [
      'with an unknown key',
      good.replace('packages', 'pakages'),
      'unknown-key',
      /"pakages"; did you mean "packages"/,
      7,
    ],
  ])('%s is refused at its line', async (_, text, code, says, line) => {
    writeFileSync(join(folder, 'ashlar.yaml'), text)
    const ran = await cli.run('build', folder, '--json')
    const failure: Failure = JSON.parse(ran.stdout).error
    expect(ran.exitCode).toBe(65)
    expectTold(failure, {
      ...{ code: 'definition-invalid', says: /wrong in one place/, where: /\/ashlar\.yaml$/ },
      mend: /ashlar schema/,
    })
    expect(failure.findings).toEqual([
      expect.objectContaining({
        ...{ code, message: expect.stringMatching(says) },
        where: expect.stringMatching(new RegExp(`ashlar\\.yaml:${line}\\b`)),
      }),
    ])
    expect(ran.stderr).toContain(`ashlar.yaml:${line}`)
  })
})

test('a lock of a newer Ashlar is refused with what reads it', async () => {
  writeFileSync(
    join(folder, 'ashlar.yaml'),
    'apiVersion: ashlar/v1\nkind: Image\nmetadata: { name: hello, version: 1.0.0 }\nspec: { form: container, base: { debian: bookworm }, run: { command: [a] } }\n',
  )
  writeFileSync(join(folder, 'ashlar.lock'), '{ "lockVersion": 7, "novelties": [] }')
  const ran = await cli.run('build', folder, '--json')
  expect(ran.exitCode).toBe(65)
  expectTold(JSON.parse(ran.stdout).error, {
    ...{ code: 'lock-version', says: /has form 7, and this Ashlar reads form 1/, where: /ashlar\.lock$/ },
    mend: /ashlar --version.*ashlar lock/,
  })
})

describe('an archive', () => {
  const archiveOf = (name: string) =>
    debianArchive(join(folder, name), {
      ...{ 'base-files': { Essential: 'yes' }, 'usr-is-merged': {}, hello: {} },
      needy: { Depends: 'absent' },
    })
  type Archive = Awaited<ReturnType<typeof archiveOf>>

  test.each([
    [
      'without the package',
      'helo',
      {
        prepare: () => undefined,
        told: {
          ...{ code: 'package-unknown', says: /bookworm has no package helo/, mend: /ashlar\.yaml/ },
          finding: /did you mean hello/,
        },
      },
    ],
    [
      'without a dependency',
      'needy',
      {
        prepare: () => undefined,
        told: {
          ...{ code: 'dependencies-unmet', says: /cannot be installed together/, mend: /ashlar\.yaml/ },
          finding: /needy depends on absent, and the archive has no package absent/,
        },
      },
    ],
    [
      'with a file of another hash',
      'hello',
      {
        prepare: ({ file }: Archive) => truncateSync(file('hello'), 100),
        told: {
          ...{ code: 'hash-mismatch', says: /hello 1\.0 is not what the archive/, where: /pool\/.*hello/ },
          mend: /another mirror/,
        },
      },
    ],
  ])('%s', async (_, wanted, { prepare, told }) => {
    const archive = await archiveOf('archive')
    prepare(archive)
    expectTold(await failureOf(lock(archive, archive.keyring, wanted)), told)
    await archive.close()
  })

  test('signed by an unknown key', async () => {
    const [archive, other] = [await archiveOf('archive'), await archiveOf('other')]
    expectTold(await failureOf(lock(archive, other.keyring, 'hello')), {
      ...{ code: 'archive-key-unknown', says: /signed by none of the known keys.*NO_PUBKEY/ },
      ...{ where: /^http:\/\/127\.0\.0\.1:\d+\/debian$/ },
      mend: /debian-archive-keyring/,
    })
    expect(readdirSync(join(folder, 'store/blobs/sha256'))).toEqual([])
    await archive.close()
    await other.close()
  })

  async function lock({ mirrors }: Archive, keyring: string, wanted: string) {
    const input = { file: import.meta.filename, version: '1.0.0' }
    mkdirSync(join(folder, 'definition'))
    writeFileSync(
      join(folder, 'definition/ashlar.yaml'),
      `apiVersion: ashlar/v1
kind: Image
metadata: { name: hello, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm, mirrors: ${JSON.stringify(mirrors)} }
  packages: [${wanted}]
  run: { command: [/bin/true] }
`,
    )
    const store = await openContentStore(realSys, join(folder, 'store'))
    // Waits between attempts take no time.
    const sys = { ...realSys, clock: { ...realSys.clock, sleep: async () => undefined } }
    return lockDefinition({
      ...{ sys, folder: join(folder, 'definition'), store: store.blobs, keyring },
      ...{ stateFolder: join(folder, 'state'), node: input, agent: input, progress: noProgress },
    })
  }
})

describe('a registry', () => {
  /** Waits between attempts take no time. */
  const sys = { ...realSys, clock: { ...realSys.clock, sleep: async () => undefined } }
  let behind: ContentStore
  let local: Repository
  let registry: TestRegistry
  let digest: Digest
  beforeEach(async () => {
    local = (await openContentStore(realSys, join(folder, 'local'))).repository('gateway')
    behind = await openContentStore(realSys, join(folder, 'behind'))
    registry = await testRegistry(behind)
    digest = (await releaseFixture(local, { rootBytes: 2_000_000 })).digest
  })
  afterEach(() => registry.close())

  const remote = () =>
    openRemoteRepository(sys, { url: registry.url, name: 'gateway', credential: () => basic('writer') })
  const push = () =>
    copyRelease(local, remote(), digest, { referrers: true, step: 'copy', progress: noProgress })
  const target = async () => (await openContentStore(realSys, join(folder, 'target'))).repository('gateway')
  const pull = async () =>
    copyRelease(remote(), await target(), digest, { referrers: true, step: 'copy', progress: noProgress })
  const gone: Told = {
    ...{ code: 'registry-unreachable', says: /the registry 127\.0\.0\.1:\d+ cannot be reached/ },
    ...{
      where: /^127\.0\.0\.1:\d+$/,
      mend: /curl -ki http:\/\/127\.0\.0\.1:\d+\/v2\/ and run the command again/,
    },
  }

  test('that is gone while a release is sent', async () => {
    registry.intercept = (request, response) => {
      if (Number(request.headers['content-length']) > 1_000_000)
        request.once('data', () => {
          response.destroy()
          void registry.close()
        })
      return false
    }
    expectTold(await failureOf(push()), gone)
  })

  test('that is gone while a release is fetched', async () => {
    await push()
    registry.intercept = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      response.writeHead(200, { 'content-length': 5_000_000 })
      response.write(Buffer.alloc(1_000), () => {
        response.destroy()
        void registry.close()
      })
      return true
    }
    expectTold(await failureOf(pull()), gone)
    expect(await (await target()).manifest(digest)).toBeUndefined()
  })

  test.each([
    ['swapped', 'digest-mismatch', (size: number) => Buffer.alloc(size, 1)],
    ['truncated', 'size-mismatch', (size: number) => Buffer.alloc(size - 1)],
  ])('with a %s blob', async (_, code, content) => {
    await push()
    const root = (await readRelease(local, digest)).disk('amd64')?.root
    const [rootDigest, size] = [root?.digest ?? digest, root?.size ?? 0]
    registry.intercept = (request, response) => {
      const taken = request.method === 'GET' && request.url?.endsWith(rootDigest) === true
      if (taken) response.end(content(size))
      return taken
    }
    expectTold(await failureOf(pull()), {
      ...{ code, says: /a blob is not what the release names/, mend: /ashlar push it anew/ },
      where: new RegExp(`^gateway@${rootDigest}$`),
    })
    expect(await (await target()).manifest(digest)).toBeUndefined()
    expect(await (await target()).blobs.stat(rootDigest)).toBeUndefined()
  })
})

describe('a signature', () => {
  const [ours, stranger] = [generateKeyPair(), generateKeyPair()]

  /** A good signature of ours whose one changed bit makes it bad. */
  const bent = (key: KeyPair): PrivateKey => {
    const good = loadPrivateKey(key.privateKey)
    return {
      ...good,
      sign: (bytes) => good.sign(bytes).map((byte, index) => (index === 9 ? byte ^ 1 : byte)),
    }
  }

  test.each([
    ['that is missing', [], []],
    ['of a stranger', [loadPrivateKey(stranger.privateKey)], ['signer-unknown']],
    ['that is bad', [bent(ours)], ['signature-bad']],
  ])('%s', async (_, keys, findings) => {
    const repository = (await openContentStore(realSys, cli.context.folders.store)).repository('gateway')
    const { digest } = await releaseFixture(repository, { tag: '1.0.0' })
    const statement = statementAbout(digest, 'gateway', predicateType.signature, {})
    for (const bundle of signStatement(statement, keys))
      await attachBundle(repository, digest, bundle, statement.predicateType)
    const role = { threshold: 1, keys: [ours.publicKey] }
    writeFileSync(
      join(folder, 'trust.json'),
      canonicalJson({
        apiVersion: 'ashlar/v1',
        kind: 'TrustRoot',
        version: 1,
        release: role,
        director: role,
      }),
    )
    const trust = ['--trust', join(folder, 'trust.json')]
    const { exitCode, stdout } = await cli.run('verify', 'gateway:1.0.0', ...trust, '--json')
    const { ok, reason, hint, ...rest } = JSON.parse(stdout)
    expect([exitCode, ok, rest.findings.map((finding: Failure) => finding.code)]).toEqual([
      1,
      false,
      findings,
    ])
    expectTold(
      { ...reason, hint, where: rest.reference },
      {
        ...{
          code: 'signature-missing',
          says: /no key that the trust root names/,
          where: /^gateway@sha256:/,
          mend: /ashlar sign gateway@sha256:[0-9a-f]{64} --key/,
        },
      },
    )
    const { stdout: text } = await cli.run('verify', 'gateway:1.0.0', ...trust)
    expect(text).toMatch(/is refused.*\n(?:.*\n)* {2}mend /)
  })
})

describe('an order', () => {
  const director = loadPrivateKey(generateKeyPair().privateKey)
  const stranger = loadPrivateKey(generateKeyPair().privateKey)
  const now = Date.parse('2026-01-02T03:04:05Z')
  const keyDigest = digestFromHex('1'.repeat(64))
  const assignment: Assignment = {
    ...{ apiVersion: 'ashlar/v1', kind: 'Assignment', node: 'node-1', nodeKey: keyDigest },
    ...{ order: { epoch: 2, number: 7 }, release: digestFromHex('a'.repeat(64)), repository: 'gateway' },
    ...{ issuedAt: now - 1_000, beginUntil: now + 60_000 },
  }

  test.each([
    [
      'for another node',
      { node: 'node-2' },
      director,
      'other-node',
      /for node-2, and this is node-1/,
      /token enrol/,
    ],
    [
      'that is late',
      { beginUntil: now - 5_000 },
      director,
      'late',
      /begun by 2026-01-02T03:04:00/,
      /rollout start/,
    ],
    [
      ...(['that was given before', { order: { epoch: 2, number: 6 } }, director, 'replayed'] as const),
      ...([/order 2\.6 is not above 2\.6, which was accepted before/, /newer order/] as const),
    ],
    ['of a stranger', {}, stranger, 'signature', /director's proof does not hold/, /--director-key/],
  ])('%s is refused with a reason that says so', (_, change, key, code, says, mend) => {
    const verdict = judgeAssignment({
      envelope: signEnvelope(mediaType.assignment, canonicalJson({ ...assignment, ...change }), [key]),
      trust: { director: { threshold: 1, keys: [director.publicKey] } },
      ...{ parse: parseAssignment, node: { name: 'node-1', keyDigest }, now },
      last: { epoch: 2, number: 6 },
    })
    if (verdict.is !== 'refused') throw new Error('it was believed')
    const hint = adviceOn(verdict.reason)
    expectTold(
      { ...verdict.reason, ...(hint !== undefined && { hint }) },
      { code: `assignment-${code}`, says, mend },
    )
  })
})
