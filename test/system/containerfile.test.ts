import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  type Digest,
  digestHex,
  type Finding,
  isDigest,
  noProgress,
  parseLock,
} from '../../src/core/index.ts'
import {
  copyRelease,
  openContentStore,
  openRemoteRepository,
  parseIndex,
  parseManifest,
} from '../../src/oci/index.ts'
import { tagRuleOf } from '../../src/registry/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { basic, type DebianArchive, type TestRegistry, testRegistry } from '../../src/testing/index.ts'
import { node, repository } from './build/fixture.ts'
import { runCommand } from './faults/command.ts'
import { tracesOf } from './faults/host.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

/** Debian's buildah, on a base image that Ashlar made and a registry of ours serves. */

let folder: string
let data: string
let archive: DebianArchive
let registry: TestRegistry
let base: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-containerfile-'))
  data = join(folder, 'data')
  // What Debian's base-passwd brings into the tree of the tools.
  write('archive/trees/base-files/usr/share/base-passwd/passwd.master', 'root:x:0:0:root:/root:/bin/sh\n')
  write('archive/trees/base-files/usr/share/base-passwd/group.master', 'root:x:0:\n')
  // Opens connections without any program of its own for that.
  const libraries = execFileSync('ldd', ['/bin/bash'], { encoding: 'utf8' }).matchAll(/(\/\S+\/libtinfo\S+)/g)
  for (const path of ['/bin/bash', ...[...libraries].map(([library]) => library)]) {
    const copy = join(folder, 'archive/trees/base-files/usr', path)
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(path, copy)
  }
  archive = await tinyArchive(join(folder, 'archive'))
  registry = await testRegistry(await openContentStore(realSys, join(folder, 'behind')), tagRuleOf(['*']))
  const { host } = new URL(registry.url)
  base = `${host}/plants/base:1`
  write('auth.json', JSON.stringify({ auths: { [host]: { auth: basic('writer').replace('Basic ', '') } } }))
  await pushBase(['hello'])
}, 60_000)
afterAll(async () => {
  await registry.close()
  await archive.close()
  rmSync(folder, { recursive: true })
})

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

async function ashlar(words: readonly string[], inData = data) {
  const environment = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') }
  return await runCommand([...words, '--json'], { data: inData, keyring: archive.keyring, environment })
}

/** A command that succeeds. */
async function done(...words: readonly string[]) {
  const { exitCode, stdout, stderr } = await ashlar(words)
  expect([exitCode, stdout], stderr).toEqual([0, expect.stringMatching(/^\{/)])
  return JSON.parse(stdout)
}

/** The error that a command ends with. */
async function failure(...words: readonly string[]) {
  const { exitCode, stdout, stderr } = await ashlar(words)
  expect(exitCode, stderr).not.toBe(0)
  return JSON.parse(stdout).error
}

/** Makes a container of packages and pushes it under the tag that the definitions name. */
async function pushBase(packages: readonly string[]): Promise<void> {
  const definition = defineContainer(join(folder, `base-${packages.join('-')}`), archive.mirrors, packages)
  await done('lock', definition)
  const { digest } = await done('build', definition)
  if (!isDigest(digest)) throw new Error(`${digest} is no digest`)
  const store = await openContentStore(realSys, join(data, 'store'))
  const remote = openRemoteRepository(realSys, {
    ...{ url: registry.url, name: 'plants/base', credential: () => basic('writer') },
  })
  await copyRelease(store.repository('small'), remote, digest, {
    tag: '1',
    referrers: false,
    step: 'copy',
    progress: noProgress,
  })
}

function define(name: string, containerfile: string, more = ''): string {
  const place = join(folder, name)
  write(`${name}/Containerfile`, containerfile)
  write(`${name}/greeting`, 'good morning\n')
  write(
    `${name}/ashlar.yaml`,
    `apiVersion: ashlar/v1
kind: Image
metadata: { name: ${name}, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm, mirrors: ${JSON.stringify(archive.mirrors)} }
  from: { containerfile: Containerfile, args: { BASE: "${base}" } }
${more}`,
  )
  return place
}

const lockOf = (definition: string) => parseLock(readFileSync(join(definition, 'ashlar.lock'), 'utf8'))
const blobPath = (digest: Digest) => join(data, 'store/blobs/sha256', digestHex(digest))

/** The container image of a release: its config, and the names in its lowest layer as tar(1) lists them. */
async function imageOf(name: string, release: Digest) {
  const repository = (await openContentStore(realSys, join(data, 'store'))).repository(name)
  const index = parseIndex((await repository.manifest(release))?.bytes ?? Buffer.alloc(0))
  const image = index.manifests.find(({ platform }) => platform?.os === 'linux')?.digest ?? release
  const manifest = parseManifest((await repository.manifest(image))?.bytes ?? Buffer.alloc(0))
  const layer = blobPath(manifest.layers[0]?.digest ?? release)
  return {
    config: JSON.parse(readFileSync(blobPath(manifest.config.digest), 'utf8')).config,
    listed: execFileSync('tar', ['-tvzf', layer, '--numeric-owner', '--full-time', '--utc'], {
      encoding: 'utf8',
    }),
    laid: execFileSync('tar', ['-tvzf', blobPath(manifest.layers[1]?.digest ?? release), '--numeric-owner'], {
      encoding: 'utf8',
    }),
    read: (path: string) => execFileSync('tar', ['-xOzf', layer, path], { encoding: 'utf8' }),
  }
}

const application = `ARG BASE
FROM \${BASE} AS made
COPY greeting /srv/greeting
RUN cat /srv/greeting > /srv/copy && : > "/srv/clock-$SOURCE_DATE_EPOCH"
FROM made
ENV WHERE=here
CMD ["/srv/copy"]
ENTRYPOINT ["/bin/cat"]
`

test('a Containerfile is built on its locked base, twice the same, and starts what it says', async () => {
  const definition = define(
    'app',
    application,
    `  run: { command: [/bin/sh], environment: { WHERE: there } }
  users: [{ name: keeper, uid: 2000 }]
  files: [{ from: greeting, to: /etc/greeting, owner: "keeper:keeper" }]
`,
  )
  await done('lock', definition)
  const lock = lockOf(definition)
  expect(lock).toMatchObject({ packages: [], bases: [{ name: base }] })
  const built = await done('build', definition, '--check')
  expect(built).toMatchObject({ reproducible: true, differences: [] })
  expect(built.findings.map(({ code, where }: Finding) => `${code} ${where}`)).toEqual([
    'base-by-tag Containerfile:2',
    'run-unproven Containerfile:4',
  ])
  const { config, listed, laid, read } = await imageOf('app', built.digest)
  expect(config).toMatchObject({ Entrypoint: ['/bin/sh'], Env: expect.arrayContaining(['WHERE=there']) })
  expect(config).not.toHaveProperty('Cmd')
  expect(laid).toMatch(/-rw-r--r-- 2000\/2000 .* etc\/greeting/)
  expect(read('srv/copy')).toBe('good morning\n')
  const time = new Date(lock.epochSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
  for (const name of ['greeting', 'copy', `clock-${lock.epochSeconds}`])
    expect(listed).toMatch(new RegExp(`-rw-r--r-- 0/0 +\\d+ ${time} srv/${name}`))
  const provenance = readFileSync(join(data, 'builds', `${digestHex(built.digest)}.json`), 'utf8')
  expect(JSON.parse(provenance).predicate.buildDefinition.resolvedDependencies).toContainEqual({
    ...{ name: base, digest: { sha256: digestHex(lock.bases?.[0]?.digest ?? built.digest) } },
    annotations: { use: 'base' },
  })
})

test('build --check names what a RUN made of time and chance', async () => {
  const definition = define(
    'odd',
    'ARG BASE\nFROM $BASE\nRUN stat -c %y /proc/self > /time; cat /proc/sys/kernel/random/uuid > /chance\nCMD ["/bin/true"]\n',
  )
  await done('lock', definition)
  const { exitCode, stdout } = await ashlar(['build', definition, '--check'])
  expect(exitCode).toBe(1)
  const { reproducible, differences } = JSON.parse(stdout)
  expect(reproducible, stdout).toBe(false)
  expect(differences.map(({ path }: { path: string }) => path)).toEqual(['/chance', '/time'])
})

test('a RUN has no network, not even that of this host, and is told so', async () => {
  const { port } = new URL(registry.url)
  const definition = define(
    'net',
    `ARG BASE\nFROM $BASE\nRUN ["bash", "-c", ": < /dev/tcp/127.0.0.1/${port}"]\n`,
  )
  await done('lock', definition)
  expect(await failure('build', definition)).toMatchObject({
    code: 'network-refused',
    where: expect.stringContaining('/dev/tcp'),
  })
})

test('a RUN that fails is told with its words', async () => {
  const definition = define('fails', 'ARG BASE\nFROM $BASE\nRUN ls /not/there\n')
  await done('lock', definition)
  expect(await failure('build', definition)).toMatchObject({
    code: 'run-failed',
    where: 'RUN ls /not/there',
    message: expect.stringContaining('No such file'),
  })
})

test('a pipe that a RUN leaves behind is refused by name', async () => {
  const definition = define('pipe', 'ARG BASE\nFROM $BASE\nRUN mkfifo /tmp/pipe\n')
  await done('lock', definition)
  expect(await failure('build', definition)).toMatchObject({
    code: 'kind-unknown',
    message: expect.stringContaining('/tmp/pipe'),
  })
})

test('what would be fetched while it is built is refused before anything is', async () => {
  const definition = define('add', 'FROM one\nADD https://x.test/a /a\n')
  const { code, findings } = await failure('lock', definition)
  expect([code, findings.map((finding: Finding) => finding.code)]).toEqual([
    'containerfile-invalid',
    ['base-unclear', 'add-remote'],
  ])
})

test('a base that no registry has is told by name', async () => {
  const definition = define('none', `FROM ${base}23\n`)
  expect(await failure('lock', definition)).toMatchObject({ code: 'base-unreachable', where: `${base}23` })
})

test('a base that is moved to another digest changes nothing until it is locked again', async () => {
  const definition = define('moved', 'ARG BASE\nFROM $BASE\nCMD ["/bin/true"]\n')
  await done('lock', definition)
  const [before] = lockOf(definition).bases ?? []
  const { digest } = await done('build', definition)
  await pushBase(['libhello'])
  // Another text, so that buildah works once more.
  appendFileSync(join(definition, 'Containerfile'), '# a note\n')
  expect((await done('build', definition)).digest).toBe(digest)
  await done('lock', definition)
  expect(lockOf(definition).bases?.[0]).toMatchObject({
    name: base,
    digest: expect.not.stringMatching(before?.digest ?? ''),
  })
})

test('a base that the store lost or holds damaged is told, and fetched again', async () => {
  const definition = define('lost', 'ARG BASE\nFROM $BASE\nCMD ["/bin/true"]\n')
  await done('lock', definition)
  const [blob] = lockOf(definition).bases?.[0]?.blobs.slice(1) ?? []
  const path = blobPath(blob?.digest ?? (await done('build', definition)).digest)
  const bytes = readFileSync(path)
  rmSync(path)
  expect(await failure('build', definition)).toMatchObject({ code: 'input-missing' })
  await done('lock', definition, '--keep')
  expect(readFileSync(path).equals(bytes)).toBe(true)
  bytes[100] = (bytes[100] ?? 0) ^ 1
  writeFileSync(path, bytes)
  expect(await failure('build', definition)).toMatchObject({ code: 'hash-mismatch' })
  await done('lock', definition, '--keep')
  bytes[100] = (bytes[100] ?? 0) ^ 1
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test('a Containerfile that names another base makes the lock stale; another file does not', async () => {
  const definition = define('stale', 'ARG BASE\nFROM $BASE\nCOPY greeting /srv/\nCMD ["/bin/true"]\n')
  await done('lock', definition)
  const { digest } = await done('build', definition)
  appendFileSync(join(definition, 'greeting'), 'and good night\n')
  expect((await done('build', definition)).digest).not.toBe(digest)
  appendFileSync(join(definition, 'Containerfile'), `FROM ${base}23\nCMD ["/bin/true"]\n`)
  expect(await failure('build', definition)).toMatchObject({ code: 'lock-stale' })
})

function isRunning(command: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === command
    } catch (error) {
      // It ended meanwhile.
      if (error instanceof Error && 'code' in error) return false
      throw error
    }
  })
}

test('kill -9 while a RUN runs leaves no process and no mount, and the next build clears the rest away', async () => {
  // A name that no other process of this host has.
  const pipe = `/${basename(folder)}`
  const definition = define(
    'killed',
    `ARG BASE\nFROM $BASE\nRUN mkfifo ${pipe}; cat ${pipe}\nCMD ["/bin/true"]\n`,
  )
  await done('lock', definition)
  const command = spawn(node, [join(repository, 'src/cli/main.ts'), 'build', definition], {
    ...{ env: { PATH: process.env.PATH, ASHLAR_DATA: data }, stdio: 'ignore' },
  })
  try {
    const within = { timeout: 30_000, interval: 50 }
    await vi.waitFor(() => expect(isRunning(`cat\0${pipe}\0`)).toBe(true), within)
    command.kill('SIGKILL')
    await once(command, 'exit')
    await vi.waitFor(() => expect(tracesOf(folder)).toEqual([]), within)
  } finally {
    command.kill('SIGKILL')
  }
  write('killed/Containerfile', 'ARG BASE\nFROM $BASE\nCMD ["/bin/true"]\n')
  await done('build', definition)
  expect(readdirSync(join(data, 'cache/build/work'))).toEqual([])
})
