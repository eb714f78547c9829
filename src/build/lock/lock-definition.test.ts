import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  digestHex,
  type Lock,
  noProgress,
  type ProgressEvent,
  parseLock,
  printLock,
} from '../../core/index.ts'
import { type ContentStore, openContentStore } from '../../oci/index.ts'
import { realSys } from '../../sys/index.ts'
import {
  craftControl,
  craftPackage,
  craftTar,
  type DebianArchive,
  debianArchive,
} from '../../testing/index.ts'
import { BuildError, buildRelease, fetchLocked, lockDefinition } from '../index.ts'

const packages = {
  'base-files': { Essential: 'yes' },
  'usr-is-merged': {},
  hello: { Depends: 'libhello (>= 1.0)', Source: 'hello-source' },
  libhello: {},
  broken: { Depends: 'nowhere' },
}

let archive: DebianArchive
let folder: string
let store: ContentStore
let root: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-lock-'))
})
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(async () => {
  folder = mkdtempSync(join(root, 'case-'))
  archive = await debianArchive(join(folder, 'archive'), packages)
  store = await openContentStore(realSys, join(folder, 'store'))
  mkdirSync(join(folder, 'definition'))
})
afterEach(() => archive.close())

function define(wanted: string, more = ''): void {
  const mirrors = `{ debian: "${archive.mirrors.debian}", debian-security: "${archive.mirrors['debian-security']}" }`
  writeFileSync(
    join(folder, 'definition/ashlar.yaml'),
    `apiVersion: ashlar/v1
kind: Image
metadata: { name: hello, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm, mirrors: ${mirrors} }
  packages: [${wanted}]
  run: { command: [/bin/true] }
${more}`,
  )
}

const input = { file: import.meta.filename, version: '1.0.0' }
/** Waits between attempts take no time. */
const impatient = { ...realSys, clock: { ...realSys.clock, sleep: async () => undefined } }
const options = (keyring: string) => ({
  ...{ sys: impatient, folder: join(folder, 'definition'), store: store.blobs, progress: noProgress },
  ...{ stateFolder: join(folder, 'state'), node: input, agent: input, keyring },
})
const lock = (keyring = archive.keyring) => lockDefinition(options(keyring))
const keepLock = () => fetchLocked(options(archive.keyring))

function lockedPackage({ packages }: Lock, name: string) {
  const found = packages.find((one) => one.name === name)
  if (found === undefined) throw new Error(`the lock lacks ${name}`)
  return found
}

function build(sys = realSys) {
  return buildRelease({
    ...{ sys, folder: join(folder, 'definition'), store, cacheFolder: join(folder, 'cache') },
    ...{ useCache: true, progress: noProgress },
  })
}

const stored = () => readdirSync(join(folder, 'store/blobs/sha256'))
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof BuildError ? error.code : String(error)),
  )

describe('a lock', () => {
  test('names every package with what it depends on, and the store has them all', async () => {
    define('hello')
    const { lock: made, text } = await lock()
    expect(made.packages.map(({ name, version, source, path }) => [name, version, source, path])).toEqual([
      ['base-files', '1.0', 'base-files', 'pool/main/base-files_1.0_all.deb'],
      ['hello', '1.0', 'hello-source', 'pool/main/hello_1.0_all.deb'],
      ['libhello', '1.0', 'libhello', 'pool/main/libhello_1.0_all.deb'],
      ['usr-is-merged', '1.0', 'usr-is-merged', 'pool/main/usr-is-merged_1.0_all.deb'],
    ])
    expect(made.tools).toEqual([])
    expect(made.pockets.map(({ name }) => name)).toEqual([
      'bookworm',
      'bookworm-updates',
      'bookworm-security',
    ])
    expect(new Set(made.pockets.flatMap(({ signers }) => signers)).size).toBe(1)
    expect(made.epochSeconds).toBe(Date.parse('2026-11-20T02:11:10Z') / 1000)
    expect(stored().toSorted()).toEqual(made.packages.map(({ digest }) => digestHex(digest)).toSorted())
    expect(parseLock(readFileSync(join(folder, 'definition/ashlar.lock'), 'utf8'))).toEqual(made)
    expect(text).not.toContain('127.0.0.1')
    expect((await lock()).text).toBe(text)
  })

  test.each<[string, (blob: string) => void]>([
    ['lost', (blob) => rmSync(blob)],
    ['cut short', (blob) => truncateSync(blob, 100)],
    ['altered', (blob) => writeFileSync(blob, readFileSync(blob).fill(0, 70, 71))],
  ])('brings back a package that was %s in the store', async (_, damage) => {
    define('hello')
    const { lock: made, text } = await lock()
    const { digest } = lockedPackage(made, 'hello')
    const whole = readFileSync(store.blobs.path(digest))
    damage(store.blobs.path(digest))
    expect((await lock()).text).toBe(text)
    expect(readFileSync(store.blobs.path(digest))).toEqual(whole)
  })

  test('is left as it is when only what it names is fetched, also where the archive has moved on', async () => {
    define('hello')
    const { lock: made, text } = await lock()
    rmSync(store.blobs.path(lockedPackage(made, 'hello').digest))
    rmSync(join(archive.folder, 'debian/dists'), { recursive: true })
    expect(await keepLock()).toEqual(made)
    expect(stored().length).toBe(made.packages.length)
    expect(readFileSync(join(folder, 'definition/ashlar.lock'), 'utf8')).toBe(text)
  })

  test('tells of each long step how far it is, and never goes back', async () => {
    define('hello')
    const events: ProgressEvent[] = []
    const told = await lockDefinition({
      ...options(archive.keyring),
      progress: (event) => events.push(event),
    })
    const sizes = told.lock.packages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    expect([...new Set(events.map(({ step }) => step))]).toEqual([
      ...['fetch indexes', 'solve dependencies', 'check kept packages', 'fetch packages'],
    ])
    const fetched = events.filter(({ step }) => step === 'fetch packages').map(({ done }) => done)
    expect([fetched[0], fetched.at(-1), fetched]).toEqual([0, sizes, fetched.toSorted((a, b) => a - b)])
  })

  test('takes away what a killed one left beside it, and not what another is writing', async () => {
    define('hello')
    const [old, young] = ['0', '1'].map((id) => join(folder, `definition/ashlar.lock.${id.repeat(16)}.tmp`))
    for (const file of [old, young]) writeFileSync(file ?? '', '')
    utimesSync(old ?? '', 0, 0)
    await lock()
    expect([old, young].map((file) => existsSync(file ?? ''))).toEqual([false, true])
  })

  test('that names a version which the archive dropped cannot be fetched again', async () => {
    define('hello')
    const { lock: made } = await lock()
    rmSync(store.blobs.path(lockedPackage(made, 'hello').digest))
    rmSync(archive.file('hello'))
    expect(await codeOf(keepLock())).toBe('archive-incomplete')
  })

  test.each([
    ['an unknown package is named', 'helo', 'package-unknown'],
    ['a package whose dependency does not exist is refused', 'broken', 'dependencies-unmet'],
  ])('%s', async (_, wanted, code) => {
    define(wanted)
    expect(await codeOf(lock())).toBe(code)
  })

  test.each([
    ['a package with another byte', (deb: string) => writeFileSync(deb, readFileSync(deb).fill(0, 70, 71))],
    ['a package that was cut short', (deb: string) => truncateSync(deb, 100)],
  ])('%s is refused, and nothing of it is stored', async (_, damage) => {
    define('hello')
    const good = archive.file('hello')
    damage(good)
    expect(await codeOf(lock())).toBe('hash-mismatch')
    define('libhello')
    const { lock: other } = await lock()
    expect(stored().toSorted()).toEqual(other.packages.map(({ digest }) => digestHex(digest)).toSorted())
  })

  test.each([
    ['a signed package that leads out of the tree', craftPackage(craftTar([{ name: '../evil' }]))],
    [
      'a signed package that is another one',
      craftPackage(craftTar([{ name: './' }]), craftControl('Package: x\n')),
    ],
  ])('%s is refused by name, and not stored', async (_, crafted) => {
    await archive.close()
    archive = await debianArchive(join(folder, 'crafted'), packages, { crafted: { hello: crafted } })
    define('hello')
    const error = await lock().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'archive-hostile', where: expect.stringContaining('hello') })
    const digest = createHash('sha256').update(crafted).digest('hex')
    expect(stored()).not.toContain(digest)
  })

  test('an archive that is signed by another key is refused', async () => {
    define('hello')
    const other = await debianArchive(join(folder, 'other'), {})
    await other.close()
    expect(await codeOf(lock(other.keyring))).toBe('archive-key-unknown')
    expect(stored()).toEqual([])
  })

  test('an index that is not the signed one is refused', async () => {
    define('hello')
    const index = join(archive.folder, 'debian/dists/bookworm/main/binary-amd64/Packages')
    writeFileSync(index, readFileSync(index, 'utf8').replace('hello-source', 'other-source'))
    expect(await codeOf(lock())).toBe('archive-invalid')
  })

  test('an archive that is gone is told apart from one that lies', async () => {
    define('hello')
    await archive.close()
    expect(await codeOf(lock())).toBe('archive-unreachable')
    archive = await debianArchive(join(folder, 'again'), packages)
  })

  test('a definition that is wrong is refused with every finding', async () => {
    define('hello', '  nonsense: true\n  arch: vax\n')
    const error = await lock().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BuildError)
    expect((error as BuildError).code).toBe('definition-invalid')
    expect((error as BuildError).findings.map(({ code }) => code).toSorted()).toEqual([
      'unknown-key',
      'value-invalid',
    ])
  })

  test('no definition is an error of its own', async () => {
    expect(await codeOf(lock())).toBe('definition-missing')
  })
})

describe('a build', () => {
  test('without a lock is refused', async () => {
    define('hello')
    expect(await codeOf(build())).toBe('lock-missing')
  })

  test('with a lock of another definition is refused', async () => {
    define('hello')
    await lock()
    define('hello, libhello')
    expect(await codeOf(build())).toBe('lock-stale')
  })

  test.each([
    ['its version', (text: string) => text.replace('1.0.0', '1.0.1')],
    ['its mirrors', (text: string) => text.replaceAll(/(\w+): "[^"]*"/g, '$1: "http://localhost/none"')],
    ['the order of its packages', (text: string) => text.replace('hello, libhello', 'libhello, hello')],
  ])('with a lock of the same packages goes on when the definition changed %s', async (_, change) => {
    define('hello, libhello')
    await lock()
    const file = join(folder, 'definition/ashlar.yaml')
    const changed = change(readFileSync(file, 'utf8'))
    expect(changed).not.toBe(readFileSync(file, 'utf8'))
    writeFileSync(file, changed)
    expect(await codeOf(build(withUser('1000')))).toBe('root-required')
  })

  test.each<[string, (lock: Lock) => Lock]>([
    ['of another suite', (lock) => ({ ...lock, suite: 'trixie' })],
    ['of another architecture', (lock) => ({ ...lock, architecture: 'arm64' })],
    [
      'that lost a package',
      (lock) => ({ ...lock, packages: lock.packages.filter(({ name }) => name !== 'hello') }),
    ],
  ])('with a lock %s, as after a bad merge, is refused', async (_, change) => {
    define('hello')
    const { lock: made } = await lock()
    writeFileSync(join(folder, 'definition/ashlar.lock'), printLock(change(made)))
    expect(await codeOf(build())).toBe('lock-stale')
  })

  test('with an input that the store lacks is refused', async () => {
    define('hello')
    const { lock: made } = await lock()
    rmSync(store.blobs.path(made.packages[0]?.digest ?? made.request))
    expect(await codeOf(build(asRoot))).toBe('input-missing')
  })

  test('with an input that was exchanged in the store is refused', async () => {
    define('hello')
    const { digest, sizeBytes } = lockedPackage((await lock()).lock, 'hello')
    writeFileSync(store.blobs.path(digest), Buffer.alloc(sizeBytes))
    expect(await codeOf(build(asRoot))).toBe('hash-mismatch')
  })

  test.each([
    [
      'of a newer Ashlar',
      (text: string) => text.replace('"lockVersion": 1', '"lockVersion": 2'),
      'lock-version',
    ],
    [
      'of an older Ashlar',
      (text: string) => text.replace('"lockVersion": 1', '"lockVersion": 0'),
      'lock-version',
    ],
    ['with an unknown field', (text: string) => text.replace('{', '{ "novelty": 1,'), 'lock-version'],
    ['without a field', (text: string) => text.replace('"suite"', '"novelty"'), 'lock-malformed'],
    ['that is cut short', (text: string) => text.slice(0, -9), 'lock-malformed'],
  ])('with a lock %s is refused', async (_, change, code) => {
    define('hello')
    const { text } = await lock()
    writeFileSync(join(folder, 'definition/ashlar.lock'), change(text))
    expect(await build().catch((error: unknown) => error)).toMatchObject({ code })
  })

  test('without root is refused', async () => {
    define('hello')
    await lock()
    expect(await codeOf(build(withUser('1000')))).toBe('root-required')
  })

  test('with a clock before the archive is refused', async () => {
    define('hello')
    await lock()
    expect(await codeOf(build({ ...asRoot, clock: { ...realSys.clock, now: () => 0 } }))).toBe('clock-behind')
  })
})

/** The real world, but id(1) tells of another user. */
function withUser(uid: string): typeof realSys {
  const run: typeof realSys.exec.run = async (program, args, options) =>
    program === 'id'
      ? { exitCode: 0, stdout: Buffer.from(`${uid}\n`), stderr: '' }
      : realSys.exec.run(program, args, options)
  return { ...realSys, exec: { ...realSys.exec, run } }
}
const asRoot = withUser('0')
