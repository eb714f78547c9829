import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, digestHex } from '../core/index.ts'
import {
  openContentStore,
  openRemoteRepository,
  parseIndex,
  parseManifest,
  type Repository,
  readRelease,
} from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { keepEntry, releaseFixture, type TestServer, testServer } from '../testing/index.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'

let folder: string
let fixture: CommandFixture
let repository: Repository
let release: Digest
const blobFile = (digest: Digest, store = join(folder, 'store')) =>
  join(store, 'blobs/sha256', digestHex(digest))

/** The same size, another content. */
function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0xff
  writeFileSync(path, bytes)
}

/** Codes of what fsck finds, sorted, and its exit code. */
async function fsck(...words: string[]) {
  const { exitCode, stdout } = await fixture.run('fsck', '--json', ...words)
  const said = JSON.parse(stdout) as {
    faults?: { code: string; part: string }[]
    notes: { code: string }[]
    error?: { code: string; findings: unknown[] }
    mended?: { done: boolean; said: string }[]
  }
  return { ...said, exitCode, codes: (said.faults ?? []).map(({ code }) => code).toSorted() }
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-fsck-'))
  fixture = commandFixture(realSys, folder)
  repository = (await openContentStore(realSys, join(folder, 'store'))).repository('gateway')
  release = (await releaseFixture(repository, { tag: '1.0.0' })).digest
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function rootBlob(): Promise<Digest> {
  const disk = (await readRelease(repository, release)).disk('amd64')
  if (disk === undefined) throw new Error('the fixture has a disk')
  return disk.root.digest
}

describe('a host without a registry', () => {
  test('that keeps everything well is found good', async () => {
    expect(await fsck()).toMatchObject({ exitCode: 0, codes: [], notes: [] })
  })

  test('that keeps nothing is found good', async () => {
    rmSync(folder, { recursive: true })
    const { exitCode, stdout } = await fixture.run('fsck')
    expect([exitCode, stdout]).toEqual([0, 'this host keeps nothing yet\n'])
  })

  test.each([
    ['a blob with one byte altered', async () => damage(blobFile(await rootBlob())), ['blob-damaged']],
    ['a blob that was cut short', async () => truncateSync(blobFile(await rootBlob()), 10), ['blob-damaged']],
    ['a blob that is gone', async () => rmSync(blobFile(await rootBlob())), ['blob-missing']],
    ['a manifest that is gone', async () => rmSync(blobFile(release)), ['blob-missing']],
    [
      'a file that is no blob',
      async () => writeFileSync(join(folder, 'store/blobs/sha256/notes'), ''),
      ['blob-misnamed'],
    ],
    [
      'a list of tags that is none',
      async () => writeFileSync(join(folder, 'store/repositories/gateway/index.json'), '{'),
      ['repository-unreadable'],
    ],
    [
      'what a killed writer left',
      async () => writeFileSync(join(folder, 'store/incoming/4194305.ab'), 'x'),
      ['leftover'],
    ],
    [
      'a login that cannot be read',
      async () => writeFileSync(join(folder, 'login.json'), '{'),
      ['record-invalid'],
    ],
  ] as const)('%s is found', async (_, break_, codes) => {
    await break_()
    expect(await fsck()).toMatchObject({ exitCode: 1, codes })
  })

  test.each([
    ['of which a byte was altered', 'file'],
    ['whose record cannot be read', 'entry.json'],
  ])('an entry of the build cache %s is found, and removed, and the others stay', async (_, name) => {
    const good = keepEntry(folder, 'packages of gateway')
    const bad = keepEntry(folder, 'initrd')
    expect(await fsck()).toMatchObject({ exitCode: 0, codes: [] })
    damage(join(bad, name))
    expect(await fsck()).toMatchObject({ exitCode: 1, codes: ['cache-damaged'] })
    expect((await fsck('--mend')).error).toMatchObject({ code: 'confirmation-missing', findings: [{}] })
    expect(existsSync(bad)).toBe(true)
    expect(await fsck('--mend', '--yes')).toMatchObject({ exitCode: 0, mended: [{ done: true }] })
    expect([existsSync(bad), existsSync(good)]).toEqual([false, true])
  })

  test('a tag whose size is wrong does not hold together', async () => {
    const list = join(folder, 'store/repositories/gateway/index.json')
    const index = parseIndex(readFileSync(list))
    writeFileSync(
      list,
      JSON.stringify({ ...index, manifests: index.manifests.map((entry) => ({ ...entry, size: 5 })) }),
    )
    expect((await fsck()).codes).toEqual(['manifest-malformed'])
  })

  test('a plan changes nothing; a damaged blob is set aside, never deleted, and reads as missing then', async () => {
    const root = await rootBlob()
    damage(blobFile(root))
    const damaged = readFileSync(blobFile(root))
    expect((await fsck('--mend')).error).toMatchObject({ code: 'confirmation-missing', findings: [{}, {}] })
    expect(readFileSync(blobFile(root))).toEqual(damaged)
    expect(await fsck('--mend', '--yes')).toMatchObject({ exitCode: 1, codes: ['blob-missing'] })
    expect(await repository.blobs.stat(root)).toBeUndefined()
    const [kept = ''] = readdirSync(join(folder, 'store/quarantine'))
    expect(readFileSync(join(folder, 'store/quarantine', kept))).toEqual(damaged)
    // The others are as usable as before.
    expect((await readRelease(repository, release)).digest).toBe(release)
  })
})

describe('a host with a registry', () => {
  let server: TestServer
  beforeEach(async () => {
    server = await testServer()
    await fixture.login(server.url, server.adminToken)
    const pushed = await fixture.run('push', 'gateway:1.0.0')
    expect(pushed.exitCode, pushed.stderr).toBe(0)
  })
  afterEach(() => server.close())

  test('gets back what is damaged or gone: blobs, manifests and what those name', async () => {
    const image = parseIndex((await repository.manifest(release))?.bytes ?? new Uint8Array()).manifests[0]
    const manifest = parseManifest(
      (await repository.manifest(image?.digest ?? ''))?.bytes ?? new Uint8Array(),
    )
    damage(blobFile(await rootBlob()))
    // The index hides the manifest, and that the layer.
    for (const digest of [release, image?.digest, manifest.layers[0]?.digest])
      rmSync(blobFile(digest ?? release))
    const { exitCode, mended } = await fsck('--mend', '--yes')
    expect(mended?.filter(({ done }) => !done)).toEqual([])
    expect(exitCode).toBe(0)
    expect(await fsck()).toMatchObject({ exitCode: 0 })
  })

  test('gets back the tags of a list that cannot be read', async () => {
    writeFileSync(join(folder, 'store/repositories/gateway/index.json'), 'garbage')
    expect(await fsck('--mend', '--yes')).toMatchObject({ exitCode: 0 })
    expect(await repository.tags()).toEqual(['1.0.0'])
  })

  test('the running server is left in peace: its blobs are checked, its database is not, and it goes on', async () => {
    const data = server.folder
    const running = await fsck('--data', data)
    expect(running).toMatchObject({ exitCode: 0, notes: [{ code: 'database-in-use' }] })
    damage(blobFile(await rootBlob(), join(data, 'store')))
    expect(await fsck('--data', data)).toMatchObject({ exitCode: 1, codes: ['blob-damaged'] })
    expect(await server.client.list('Release')).toHaveLength(1)
  })

  test('a blob of the server is set aside, answers 404 then, and a push brings it again', async () => {
    const root = await rootBlob()
    damage(blobFile(root, join(server.folder, 'store')))
    const remote = () => fixture.run('push', 'gateway:1.0.0')
    expect((await remote()).exitCode).toBe(0)
    expect((await fsck('--data', server.folder)).codes).toEqual(['blob-damaged'])
    expect((await fsck('--data', server.folder, '--mend')).error?.findings).toHaveLength(2)
    rmSync(join(folder, 'store'), { recursive: true })
    // No repository of a running server is known, and this host has the blob nowhere else: it is only set aside.
    await fsck('--data', server.folder, '--mend', '--yes')
    const registry = { url: server.url, name: 'gateway', credential: () => `Bearer ${server.adminToken}` }
    expect(await openRemoteRepository(realSys, registry).blobs.stat(root)).toBeUndefined()
    const store = await openContentStore(realSys, join(folder, 'store'))
    expect((await releaseFixture(store.repository('gateway'), { tag: '1.0.0' })).digest).toBe(release)
    expect((await remote()).exitCode).toBe(0)
    expect(await fsck('--data', server.folder)).toMatchObject({ exitCode: 0, codes: [] })
  })

  test('a blob of the server that another store of this host has comes from there', async () => {
    damage(blobFile(await rootBlob(), join(server.folder, 'store')))
    const { exitCode, mended } = await fsck('--data', server.folder, '--mend', '--yes')
    expect([exitCode, mended?.map(({ done }) => done)]).toEqual([0, [true, true]])
  })
})
