import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DebianArchive, debianArchive } from '../../src/testing/index.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

const root = resolve(import.meta.dirname, '../..')
const nodePackage = `node-linux-${process.arch}`
const pinnedNode = join(root, 'node_modules', nodePackage)
const pinnedManifest = JSON.parse(readFileSync(join(pinnedNode, 'package.json'), 'utf8')) as {
  version: string
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let scratch: string
let tarball: string
let registry: Server | undefined
let registryUrl: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'ashlar-pack-'))
  // What the bundler says stands above the name of the file.
  tarball = join(scratch, (await npm('pack', root, '--loglevel=error')).trim().split('\n').at(-1) ?? '')
  registry = await serveNodePackage()
  registryUrl = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`
  const where = ['--prefix', join(scratch, 'prefix'), '--registry', registryUrl]
  await npm('install', '-g', tarball, '--ignore-scripts', ...where)
})
afterAll(() => {
  registry?.close()
  rmSync(scratch, { recursive: true })
})

/** npm without a network and without this machine's settings. */
async function npm(...args: string[]): Promise<string> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: scratch, npm_config_update_notifier: 'false' }
  return (await promisify(execFile)('npm', args, { cwd: scratch, env })).stdout
}

/** A package registry on loopback that has one package: the pinned Node, as it lies in our node_modules. */
async function serveNodePackage(): Promise<Server> {
  // npm's own packing would take minutes to squeeze the 127 MB.
  const file = join(scratch, 'node.tgz')
  execFileSync('tar', ['--use-compress-program=gzip -1', '--transform=s,^.,package,', '-cf', file, '.'], {
    cwd: pinnedNode,
  })
  const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  const server = createServer((request, response) => {
    if (request.url === '/node.tgz') return void response.end(readFileSync(file))
    if (request.url !== `/${nodePackage}`) return void response.writeHead(404).end('{}')
    const dist = { tarball: `http://${request.headers.host}/node.tgz`, integrity }
    const versions = { [pinnedManifest.version]: { ...pinnedManifest, dist } }
    response.end(
      JSON.stringify({ name: nodePackage, 'dist-tags': { latest: pinnedManifest.version }, versions }),
    )
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return server
}

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** The installed command, started as a person's shell would, in an environment that knows nothing of this clone. */
function ashlar(
  words: readonly string[],
  { prefix = 'prefix', before = [] as readonly string[] } = {},
): Promise<Ran> {
  const [program = '', ...args] = [...before, join(scratch, prefix, 'bin/ashlar'), ...words]
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: scratch, ASHLAR_DATA: join(scratch, 'data') }
  return new Promise((done) => {
    const child = execFile(program, args, { cwd: scratch, env }, (_, stdout, stderr) =>
      done({ status: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

describe('a package that was made by npm pack and installed with npm install -g', () => {
  const installed = (path: string) => join(scratch, 'prefix/lib/node_modules/ashlar', path)

  test('holds the bundles and what starts them, and depends on nothing but Node', () => {
    const files = execFileSync('tar', ['-tf', tarball], { encoding: 'utf8' }).trim().split('\n')
    const parts = files.map((file) => file.replace(/^package\//, '').replace(/[^/]+$/, ''))
    expect([...new Set(parts)].toSorted()).toEqual(['', 'bin/', 'dist/', 'dist/man/'])
    expect(files).toEqual(expect.arrayContaining(['package/dist/agent.js', 'package/dist/launcher.js']))
    const manifest = JSON.parse(readFileSync(installed('package.json'), 'utf8')) as Record<string, unknown>
    expect(manifest.dependencies).toBeUndefined()
    expect(Object.keys(manifest.optionalDependencies as object)).toContain(nodePackage)
    expect(readFileSync(installed('dist/licences.txt'), 'utf8')).toContain('zod')
  })

  test('answers with its version, whatever Node the machine has', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(await ashlar(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' })
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
    const { stdout } = await ashlar(['version', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      version,
      commit,
      dirty: expect.any(Boolean),
      node: pinnedManifest.version,
    })
  })

  test('brings its man pages to where man looks', () => {
    const man = execFileSync('man', ['--manpath', join(scratch, 'prefix/share/man'), 'ashlar-build'], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', MANPAGER: 'cat' },
    })
    expect(man).toContain('ashlar.lock')
  })

  test('completes in a shell that finds it in PATH', async () => {
    expect(await ashlar(['completion', 'bash'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('complete -F _ashlar ashlar'),
    })
  })

  test('prints the schema that the clone prints', async () => {
    const ours = execFileSync(join(root, 'bin/ashlar'), ['schema'], { encoding: 'utf8' })
    expect(await ashlar(['schema'])).toMatchObject({ status: 0, stdout: ours })
  })

  /** A definition that `ashlar init` wrote, with the mirrors of a test's archive. */
  async function initWith({ mirrors }: DebianArchive, name: string, ...options: string[]): Promise<void> {
    expect(await ashlar(['init', name, ...options])).toMatchObject({ status: 0, stderr: '' })
    const definition = join(scratch, name, 'ashlar.yaml')
    const base = `debian: bookworm, mirrors: ${JSON.stringify(mirrors)}`
    writeFileSync(definition, readFileSync(definition, 'utf8').replace('debian: bookworm', base))
  }

  /** The archive's key takes the place of Debian's in a mount namespace of the command's own. */
  async function lockWith({ keyring }: DebianArchive, name: string): Promise<void> {
    const bind = `mount --bind ${keyring} /usr/share/keyrings/debian-archive-keyring.gpg && exec "$@"`
    const before = ['unshare', '--mount', 'sh', '-c', bind, 'sh']
    const ran = await ashlar(['lock', name, '--json'], { before })
    expect(ran.stderr).not.toContain('error')
    expect(ran.status).toBe(0)
  }

  describe('locks a definition that it wrote', () => {
    let archive: DebianArchive
    beforeAll(async () => {
      const names = [
        ...['usr-is-merged', 'systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'libstdc++6', 'nginx-light'],
        ...['linux-image-amd64', 'erofs-utils', 'cryptsetup-bin', 'dmsetup', 'dracut', 'zstd'],
        ...['binutils', 'systemd-boot-efi'],
      ]
      const packages = Object.fromEntries(names.map((name) => [name, {}]))
      archive = await debianArchive(join(scratch, 'archive'), {
        'base-files': { Essential: 'yes' },
        ...packages,
      })
    })
    afterAll(() => archive.close())

    test('with the agent and the Node that came with it', async () => {
      await initWith(archive, 'web', '--form', 'system')
      await lockWith(archive, 'web')
      const lock = JSON.parse(readFileSync(join(scratch, 'web/ashlar.lock'), 'utf8')) as {
        node: { digest: string }
        agent: { digest: string }
      }
      expect(lock.agent.digest).toBe(`sha256:${sha256(readFileSync(installed('dist/agent.js')))}`)
      expect(lock.node.digest).toBe(`sha256:${sha256(readFileSync(join(pinnedNode, 'bin/node')))}`)
    })
  })

  test('builds the container of a definition that it wrote, bit for bit', async () => {
    const archive = await tinyArchive(join(scratch, 'tiny-archive'))
    try {
      await initWith(archive, 'tool', '--form', 'container', '--package', 'hello')
      await lockWith(archive, 'tool')
    } finally {
      await archive.close()
    }
    const built = await ashlar(['build', 'tool', '--check', '--json'])
    expect(built, built.stderr).toMatchObject({ status: 0 })
    expect(JSON.parse(built.stdout)).toMatchObject({ tag: 'tool:0.1.0', reproducible: true, differences: [] })
    const image = `oci:${join(scratch, 'data/store/repositories/tool')}:0.1.0`
    const seen = execFileSync('skopeo', ['inspect', '--config', image], { encoding: 'utf8' })
    expect(JSON.parse(seen)).toMatchObject({ config: { Entrypoint: ['/usr/bin/tool'] } })
  })
})

describe('installed without its Node', () => {
  // An optional package that npm could not get is left out without a word.
  beforeAll(() => {
    cpSync(join(scratch, 'prefix'), join(scratch, 'bare'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.includes('/ashlar/node_modules'),
    })
  })

  /** A folder with nothing but what starts Ashlar. */
  function pathWith(name: string, node?: string): string {
    const folder = join(scratch, name)
    mkdirSync(folder)
    for (const program of ['sh', 'readlink', 'dirname', 'uname'])
      symlinkSync(join('/usr/bin', program), join(folder, program))
    if (node !== undefined) writeFileSync(join(folder, 'node'), node, { mode: 0o755 })
    return folder
  }
  const old = '#!/bin/sh\n[ "$1" = --version ] && echo v20.20.2\n[ "$1" = --version ]\n'

  test.each([
    ['none', 'tools', undefined, /there is none in PATH \[program-missing\]\n {2}mend npm install -g ashlar/],
    ['one that is too old', 'old', old, /node is v20\.20\.2: it needs Node 24 or later \[program-missing\]/],
  ])('says so where the machine has %s', async (_, name, node, says) => {
    const before = ['/usr/bin/env', `PATH=${pathWith(name, node)}`]
    const ran = await ashlar(['--version'], { prefix: 'bare', before })
    expect([ran.status, ran.stderr]).toEqual([69, expect.stringMatching(says)])
  })

  test('runs on the machine’s Node where that is new enough, and locks no system with it', async () => {
    const bare = { prefix: 'bare', before: ['/usr/bin/env', `PATH=${join(scratch, 'own')}:/usr/bin:/bin`] }
    mkdirSync(join(scratch, 'own'))
    cpSync(join(pinnedNode, 'bin/node'), join(scratch, 'own/node'))
    expect(await ashlar(['--version'], bare)).toMatchObject({ status: 0 })
    const ran = await ashlar(['lock', 'anything', '--json'], bare)
    expect([ran.status, JSON.parse(ran.stdout).error.code]).toEqual([66, 'file-missing'])
    expect(ran.stderr).toContain('without the Node')
  })
})
