import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { noProgress } from '../../src/core/index.ts'
import {
  type ContentStore,
  copyRelease,
  digestOf,
  openContentStore,
  openRemoteRepository,
  type Repository,
  readRelease,
} from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import {
  basic,
  type ReleaseFixture,
  releaseFixture,
  type TestRegistry,
  testRegistry,
} from '../../src/testing/index.ts'

/** Debian's skopeo as the judge of our store, our registry, and of the form of a release. */

let folder: string
let store: ContentStore
let local: Repository
let release: ReleaseFixture
let registry: TestRegistry

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-skopeo-'))
  store = await openContentStore(realSys, join(folder, 'store'))
  local = store.repository('gateway')
  release = await releaseFixture(local, { tag: '1.0.0' })
  registry = await testRegistry(await openContentStore(realSys, join(folder, 'behind')))
})
afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

const layout = () => `oci:${join(folder, 'store/repositories/gateway')}:1.0.0`
const remote = (tag: string) => `docker://${new URL(registry.url).host}/plants/gateway:${tag}`
const credentials = ['--dest-tls-verify=false', '--dest-creds', 'writer:writer-password']
const readerCredentials = ['--src-tls-verify=false', '--src-creds', 'reader:reader-password']

/** Beside this process, which serves the registry. */
async function skopeo(...args: string[]): Promise<{ exitCode: number; output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)('skopeo', args)
    return { exitCode: 0, output: stdout + stderr }
  } catch (error) {
    const failed = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { exitCode: failed.code, output: failed.stdout + failed.stderr }
  }
}

describe('skopeo', () => {
  test('reads a release from the local store', () => {
    const raw = execFileSync('skopeo', ['inspect', '--raw', layout()])
    expect(digestOf(raw)).toBe(release.digest)
    const image = JSON.parse(execFileSync('skopeo', ['inspect', layout()], { encoding: 'utf8' }))
    expect(image).toMatchObject({ Architecture: 'amd64', Os: 'linux' })
  })

  test('carries a release from layout to registry to layout, and changes neither digest nor blob', async () => {
    const pushed = await skopeo('copy', '--all', ...credentials, layout(), remote('1.0.0'))
    expect(pushed).toMatchObject({ exitCode: 0 })
    expect((await registry.index.manifestByTag('plants/gateway', '1.0.0'))?.digest).toBe(release.digest)
    expect(registry.stored.at(-1)).toMatchObject({ digest: release.digest, tag: '1.0.0', actor: 'writer' })
    const back = join(folder, 'back')
    const pulled = await skopeo('copy', '--all', ...readerCredentials, remote('1.0.0'), `oci:${back}:1.0.0`)
    expect(pulled).toMatchObject({ exitCode: 0 })
    const names = (path: string) => readdirSync(join(path, 'blobs/sha256')).toSorted()
    expect(names(back)).toEqual(names(join(folder, 'store')))
    for (const name of names(back))
      expect(digestOf(readFileSync(join(back, 'blobs/sha256', name)))).toBe(`sha256:${name}`)
    expect(JSON.parse(readFileSync(join(back, 'index.json'), 'utf8')).manifests[0].digest).toBe(
      release.digest,
    )
  })

  test('pulls what our own client pushed, and our client reads what skopeo pushed', async () => {
    const repository = openRemoteRepository(realSys, {
      url: registry.url,
      name: 'plants/gateway',
      credential: () => basic('writer'),
    })
    await copyRelease(local, repository, release.digest, {
      tag: 'ours',
      referrers: true,
      step: 'copy',
      progress: noProgress,
    })
    const image = await skopeo('copy', ...readerCredentials, remote('ours'), `dir:${join(folder, 'image')}`)
    expect(image).toMatchObject({ exitCode: 0 })
    await skopeo('copy', '--all', ...credentials, layout(), remote('theirs'))
    expect((await repository.manifest('theirs'))?.digest).toBe(release.digest)
    expect((await readRelease(repository, release.digest)).document).toEqual(release.document)
  })

  test('lists and inspects', async () => {
    await skopeo('copy', '--all', ...credentials, layout(), remote('1.0.0'))
    const access = ['--tls-verify=false', '--creds', 'reader:reader-password']
    const tags = await skopeo('list-tags', ...access, remote('1.0.0').replace(/:1\.0\.0$/, ''))
    expect(JSON.parse(tags.output).Tags).toEqual(['1.0.0'])
    expect((await skopeo('inspect', ...access, remote('1.0.0'))).output).toContain('"Architecture": "amd64"')
  })

  test('pushes a docker image', async () => {
    const pushed = await skopeo('copy', '--format', 'v2s2', ...credentials, layout(), remote('docker'))
    expect(pushed).toMatchObject({ exitCode: 0 })
  })

  test('shows why a published tag is not moved, and does not get past it', async () => {
    await skopeo('copy', '--all', ...credentials, layout(), remote('1.0.0'))
    expect((await skopeo('copy', '--all', ...credentials, layout(), remote('1.0.0'))).exitCode).toBe(0)
    await releaseFixture(local, { version: '1.0.1', tag: '1.0.0' })
    const moved = await skopeo('copy', '--all', ...credentials, layout(), remote('1.0.0'))
    expect(moved.exitCode).toBe(1)
    expect(moved.output).toContain('tag 1.0.0 of plants/gateway is write-once')
    const access = ['--tls-verify=false', '--creds', 'writer:writer-password']
    const removed = await skopeo('delete', ...access, remote('1.0.0'))
    expect(removed.exitCode).toBe(1)
    expect((await registry.index.manifestByTag('plants/gateway', '1.0.0'))?.digest).toBe(release.digest)
  })

  test('is told when it may not', async () => {
    const anonymous = await skopeo('copy', '--dest-tls-verify=false', layout(), remote('1.0.0'))
    expect(anonymous).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/unauthorized|authentication/i),
    })
    const reader = ['--dest-tls-verify=false', '--dest-creds', 'reader:reader-password']
    const denied = await skopeo('copy', ...reader, layout(), remote('1.0.0'))
    expect(denied).toMatchObject({ exitCode: 1, output: expect.stringMatching(/denied/) })
  })
})
