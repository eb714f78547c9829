import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { unitFiles, unitLinks } from '../../../src/build/tree/units.ts'
import {
  counterOfVersion,
  type Digest,
  digestFromHex,
  type HealthCheck,
  mediaType,
  parseVersion,
  predicateType,
  statementAbout,
  type TrustRoot,
} from '../../../src/core/index.ts'
import { assembleRelease, attachBundle, digestOf, type Repository, streamOf } from '../../../src/oci/index.ts'
import { generateKeyPair, loadPrivateKey, type PrivateKey, signStatement } from '../../../src/sign/index.ts'
import { packFrames } from '../../../src/testing/index.ts'

const root = resolve(import.meta.dirname, '../../..')

export function newKey(): PrivateKey {
  return loadPrivateKey(generateKeyPair().privateKey)
}

/** What no boot here reads: a quarter of the image less to build, unpack and hash for every machine. */
const unread = ['locale', 'doc', 'man', 'info', 'perl', 'zoneinfo'].map((name) => `usr/share/${name}`)

/** A bookworm with systemd and nginx, unpacked once for all runs on this host. */
export function baseTree(): string {
  const cache = join(
    process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? tmpdir(), '.cache'),
    'ashlar-test',
  )
  const tree = join(cache, 'bookworm-2')
  if (existsSync(tree)) return tree
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, 'fresh-'))
  const include = 'systemd,systemd-sysv,dbus,iproute2,nginx-light'
  execFileSync('mmdebstrap', [
    '--quiet',
    '--variant=minbase',
    `--include=${include}`,
    'bookworm',
    join(fresh, 'tree'),
  ])
  for (const path of [...unread, 'var']) rmSync(join(fresh, 'tree', path), { recursive: true })
  renameSync(join(fresh, 'tree'), tree)
  rmSync(fresh, { recursive: true })
  return tree
}

export interface SmallRelease {
  readonly version: string
  /** What its page says; releases that differ in nothing else share an image. Default: the version. */
  readonly page?: string
  readonly floor?: string
  readonly health?: readonly HealthCheck[]
  /** Laid over the base; a `#!` text becomes executable. */
  readonly files?: Readonly<Record<string, string>>
  /** None: the release stays unsigned. */
  readonly signers: readonly PrivateKey[]
  readonly trust: { readonly release: PrivateKey; readonly director: PrivateKey }
}

/** Parts of a disk form that are in a repository, by what they were made from. */
const known = new Map<string, Part>()
type Part = Awaited<ReturnType<typeof putPart>>

/** Makes a release of image `small` in a repository, with the real agent and the real units in it. */
export async function makeRelease(repository: Repository, wanted: SmallRelease): Promise<Digest> {
  const key = JSON.stringify([repository.name, wanted.page ?? wanted.version, wanted.health, wanted.files])
  const root = known.get(key) ?? (await putPart(repository, erofsOf(wanted), mediaType.diskRoot))
  known.set(key, root)
  const other = Buffer.from('not read by a machine under systemd-nspawn')
  const verity = await putPart(repository, other, mediaType.diskVerity)
  const boot = await putPart(repository, other, mediaType.diskBoot)
  const version = parseVersion(wanted.version)
  const none = digestFromHex('0'.repeat(64))
  const release = await assembleRelease(repository, {
    document: {
      apiVersion: 'ashlar/v1',
      kind: 'Release',
      name: 'small',
      version,
      counter: counterOfVersion(version),
      floor: wanted.floor === undefined ? 0 : counterOfVersion(parseVersion(wanted.floor)),
      form: 'system',
      definition: none,
      lock: none,
      epochSeconds: 1_700_000_000,
      parameters: {},
      health: [...(wanted.health ?? [])],
      disks: {
        amd64: {
          root: root.content,
          verity: verity.content,
          roothash: '0'.repeat(64),
          boot: boot.content,
          kernel: '0',
        },
      },
    },
    images: [],
    disks: [
      {
        architecture: 'amd64',
        root: root.blob,
        verity: verity.blob,
        boot: boot.blob,
      },
    ],
    tag: wanted.version,
  })
  const statement = statementAbout(release, 'small', predicateType.signature, {})
  for (const bundle of signStatement(statement, wanted.signers))
    await attachBundle(repository, release, bundle, predicateType.signature)
  return release
}

async function putPart(repository: Repository, bytes: Uint8Array, type: string) {
  const packed = packFrames(bytes)
  const blob = { mediaType: type, digest: digestOf(packed), size: packed.length }
  await repository.blobs.write(blob.digest, blob.size, streamOf(packed))
  return { content: { digest: digestOf(bytes), sizeBytes: bytes.length }, blob }
}

function erofsOf({ version, page = version, health = [], files = {}, trust }: SmallRelease): Buffer {
  const work = mkdtempSync(join(tmpdir(), 'ashlar-small-'))
  try {
    const tree = join(work, 'tree')
    // Hard links: a file that is changed is replaced, never written to.
    execFileSync('cp', ['-al', baseTree(), tree])
    const lay = (path: string, content: string | Buffer, mode = 0o644) => {
      const target = join(tree, path)
      mkdirSync(dirname(target), { recursive: true })
      rmSync(target, { force: true })
      writeFileSync(target, content)
      chmodSync(target, mode)
    }
    const { release, director } = trust
    const role = (key: PrivateKey) => ({ threshold: 1, keys: [key.publicKey] })
    const trustRoot: TrustRoot = {
      apiVersion: 'ashlar/v1',
      kind: 'TrustRoot',
      version: 1,
      release: role(release),
      director: role(director),
    }
    lay('usr/lib/ashlar/trust.json', JSON.stringify(trustRoot))
    lay('usr/lib/ashlar/health.json', JSON.stringify(health))
    lay('usr/lib/ashlar/agent.js', readFileSync(join(root, 'dist/agent.js')))
    cpSync(process.execPath, join(tree, 'usr/lib/ashlar/node'))
    for (const [path, text] of Object.entries(unitFiles)) lay(path, text)
    for (const [path, target] of Object.entries(unitLinks)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      symlinkSync(target, join(tree, path))
    }
    lay('usr/lib/tmpfiles.d/small.conf', 'd /var/log/nginx 0755 root root\nd /var/lib/nginx 0755 root root\n')
    lay('etc/hosts', '127.0.0.1 localhost\n::1 localhost\n')
    lay('etc/machine-id', '')
    lay('usr/share/small/index.html', `small ${page}\n`)
    lay(
      'etc/nginx/sites-available/default',
      'server { listen 80 default_server; listen [::]:80 default_server; root /usr/share/small; }\n',
    )
    for (const [path, text] of Object.entries(files)) lay(path, text, text.startsWith('#!') ? 0o755 : 0o644)
    for (const folder of ['var', 'tmp', 'run', 'dev', 'proc', 'sys']) {
      rmSync(join(tree, folder), { recursive: true, force: true })
      mkdirSync(join(tree, folder))
    }
    const image = join(work, 'root.erofs')
    execFileSync('mkfs.erofs', [
      '--quiet',
      '-T1700000000',
      '-U00000000-0000-4000-8000-000000000000',
      image,
      tree,
    ])
    return readFileSync(image)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
