import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { commandFixture } from '../../src/cli/command-fixture.ts'
import { type Digest, digestHex, noProgress } from '../../src/core/index.ts'
import {
  copyRelease,
  openContentStore,
  openRemoteRepository,
  type Repository,
  readRelease,
} from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { keepEntry, releaseFixture, type TestServer, testServer } from '../../src/testing/index.ts'
import { type Ended, runCommand } from './faults/command.ts'

let root: string
/** A data folder with a release. */
let whole: string
let digest: Digest
let rootBlob: Digest
let bootBlob: Digest
const steps = { push: 0, mend: 0 }

let folder: string
let data: string
let server: TestServer

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-command-kill-'))
  whole = join(root, 'whole')
  const repository = (await openContentStore(realSys, join(whole, 'store'))).repository('gateway')
  digest = (await releaseFixture(repository, { tag: '1.0.0', rootBytes: 3_000_000 })).digest
  const disk = (await readRelease(repository, digest)).disk('amd64')
  if (disk === undefined) throw new Error('the fixture has a disk')
  rootBlob = disk.root.digest
  bootBlob = disk.boot.digest
  const list = join(root, 'steps')
  await prepare()
  steps.push = await counted(push, list)
  await damage()
  steps.mend = await counted(mend, list)
  await clear()
})
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(prepare)
afterEach(clear)

async function prepare(): Promise<void> {
  folder = mkdtempSync(join(root, 'case-'))
  data = join(folder, 'data')
  cpSync(whole, data, { recursive: true })
  server = await testServer()
  writeFileSync(join(data, 'login.json'), JSON.stringify({ url: server.url, token: server.adminToken }))
}

async function clear(): Promise<void> {
  await server.close()
  rmSync(folder, { recursive: true })
}

async function counted(words: readonly string[], list: string): Promise<number> {
  writeFileSync(list, '')
  const ended = await runCommand(words, { data, list })
  expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
  return readFileSync(list, 'utf8').split('\n').length - 1
}

const push = ['push', 'gateway:1.0.0']
const mend = ['fsck', '--mend', '--yes', '--json']
const kill = (words: readonly string[], at: number): Promise<Ended> =>
  runCommand(words, { data, stop: { at, signal: 'SIGKILL' } })
/** What follows a kill: a command as another process would run it, without the time that one takes to start. */
const run = (words: readonly string[]) => commandFixture(realSys, data).run(...words)
const moments = Array.from({ length: 12 }, (_, index) => (index + 0.5) / 12)

const remote = () =>
  openRemoteRepository(realSys, {
    ...{ url: server.url, name: 'gateway' },
    credential: () => `Bearer ${server.adminToken}`,
  })

/** Takes the release out of a repository into a store of its own, and so reads all of it. */
async function expectWhole(from: Repository): Promise<void> {
  const store = await openContentStore(realSys, mkdtempSync(join(folder, 'copy-')))
  await copyRelease(from, store.repository('gateway'), digest, {
    ...{ referrers: true, step: 'fetch blobs', progress: noProgress },
  })
}

/** What fsck says of the data folder, and nothing that only a command at work has. */
async function expectGood(): Promise<void> {
  const { exitCode, stdout } = await run(['fsck', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ good: true, faults: [] })
  expect(exitCode).toBe(0)
  expect(readdirSync(join(data, 'store/incoming'))).toEqual([])
}

describe('a push', () => {
  test.each(moments)('that is killed after %f of its steps is done by the next one', async (share) => {
    expect(await kill(push, Math.ceil(steps.push * share))).toMatchObject({ signal: 'SIGKILL' })
    // The tag comes last: whoever sees it has the release.
    if ((await remote().tags()).includes('1.0.0')) await expectWhole(remote())
    const again = await run(push)
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    expect((await remote().manifest('1.0.0'))?.digest).toBe(digest)
    await expectWhole(remote())
    await expectGood()
    expect(server.errors).toEqual([])
    await server.restart()
    expect(readdirSync(join(server.folder, 'store/incoming'))).toEqual([])
  })
})

const blobFile = (blob: Digest) => join(data, 'store/blobs/sha256', digestHex(blob))

/** After a push: every kind of fault that can be mended. */
async function damage(): Promise<void> {
  expect(await run(push)).toMatchObject({ exitCode: 0 })
  const bytes = readFileSync(blobFile(rootBlob))
  writeFileSync(blobFile(rootBlob), bytes.fill(7, 1_000, 1_010))
  rmSync(blobFile(bootBlob))
  writeFileSync(join(data, 'store/repositories/gateway/index.json'), '{')
  writeFileSync(join(data, 'store/incoming/4194305.ab'), 'left by a writer that was killed')
  writeFileSync(join(keepEntry(data, 'packages'), 'file'), 'altered')
}

describe('a mending fsck', () => {
  test.each(moments)('that is killed after %f of its steps is ended by the next one', async (share) => {
    await damage()
    expect(await kill(mend, Math.ceil(steps.mend * share))).toMatchObject({ signal: 'SIGKILL' })
    const again = await run(mend)
    expect(again, again.stdout).toMatchObject({ exitCode: 0 })
    await expectGood()
    const { repository } = await openContentStore(realSys, join(data, 'store'))
    expect((await repository('gateway').manifest('1.0.0'))?.digest).toBe(digest)
    await expectWhole(repository('gateway'))
    expect(readdirSync(join(data, 'cache/build/entries'))).toEqual([])
    expect(existsSync(join(data, 'store/quarantine'))).toBe(true)
  })
})
