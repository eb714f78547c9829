import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** Fields of a package's control file beside name, version and architecture. */
export type ArchivePackages = Readonly<Record<string, Readonly<Record<string, string>>>>

/** What such an archive has beside the packages that every one has. */
export interface ArchiveOptions {
  /** Names that lie elsewhere: in another suite, component or architecture. */
  readonly elsewhere?: readonly {
    readonly suite: string
    readonly component: string
    readonly architecture: string
    readonly names: readonly string[]
  }[]
  /** Further lines of each `Release` file; a field given here replaces the usual one. */
  readonly release?: Readonly<Record<string, string>>
  /** Packages made by hand, by name: signed as they are. */
  readonly crafted?: Readonly<Record<string, Uint8Array>>
}

export interface DebianArchive {
  readonly folder: string
  readonly keyring: string
  /** `spec.base.mirrors` of a definition that uses it. */
  readonly mirrors: { readonly debian: string; readonly 'debian-security': string }
  /** Path of a package's file, to damage it. */
  file(name: string): string
  /** Asked first of each request; true: it was answered. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  close(): Promise<void>
}

/**
 * A small archive of Debian's form, signed with a key of its own and served on loopback: all pockets of bookworm, with
 * every package in the first. For what real mirrors never show: broken files, foreign keys, missing versions.
 */
export async function debianArchive(
  folder: string,
  packages: ArchivePackages,
  options: ArchiveOptions = {},
): Promise<DebianArchive> {
  const keyring = join(folder, 'keyring.gpg')
  const home = join(folder, 'gnupg')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const gpg = (...args: string[]) =>
    execFileSync('gpg', [
      '--homedir',
      home,
      '--batch',
      '--quiet',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      ...args,
    ])
  gpg('--quick-generate-key', 'archive@example.org', 'ed25519', 'sign', 'never')
  writeFileSync(keyring, gpg('--export'))
  const paragraphs = Object.entries(packages).map(([name, fields]) =>
    makePackage(join(folder, 'debian'), name, fields, options.crafted?.[name]),
  )
  const { elsewhere = [], release = {} } = options
  for (const [archive, pocket, index] of [
    ['debian', 'bookworm', paragraphs.join('\n')],
    ['debian', 'bookworm-updates', ''],
    ['security', 'bookworm-security', ''],
    ...[...new Set(elsewhere.map(({ suite }) => suite))]
      .filter((suite) => suite !== 'bookworm')
      .map((suite) => ['debian', suite, ''] as const),
  ] as const) {
    const dists = join(folder, archive, 'dists', pocket)
    const indexes = new Map([['main/binary-amd64', index]])
    for (const { suite, component, architecture, names } of elsewhere)
      if (suite === pocket)
        indexes.set(`${component}/binary-${architecture}`, names.map(bareParagraph).join('\n'))
    writeIndexes(dists, pocket, indexes, release)
    gpg('--clearsign', '--output', join(dists, 'InRelease'), join(dists, 'Release'))
  }
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'])
  const server = createServer((request, response) => {
    if (made.intercept?.(request, response) === true) return
    const path = join(folder, decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-length': statSync(path).size })
    createReadStream(path).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const made: DebianArchive = {
    folder,
    keyring,
    intercept: undefined,
    mirrors: { debian: `${base}/debian`, 'debian-security': `${base}/security` },
    file: (name) => join(folder, 'debian', poolPath(name)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return made
}

function poolPath(name: string): string {
  return `pool/main/${name}_1.0_all.deb`
}

function makePackage(
  archive: string,
  name: string,
  fields: Readonly<Record<string, string>>,
  crafted?: Uint8Array,
): string {
  const tree = join(archive, '..', 'trees', name)
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true })
  mkdirSync(join(archive, 'pool/main'), { recursive: true })
  const control = {
    ...{ Package: name, Version: '1.0', Architecture: 'all', Maintainer: 'Test <archive@example.org>' },
    ...fields,
    Description: 'made by a test',
  }
  const text = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`)
  writeFileSync(join(tree, 'DEBIAN/control'), text.join(''))
  const path = poolPath(name)
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', tree, join(archive, path)], {
    stdio: 'ignore',
  })
  if (crafted !== undefined) writeFileSync(join(archive, path), crafted)
  const deb = readFileSync(join(archive, path))
  return `${text.join('')}Filename: ${path}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`
}

/** A package that is only heard of. */
function bareParagraph(name: string): string {
  return `Package: ${name}\nVersion: 1.0\nArchitecture: all\nFilename: ${poolPath(name)}\nSize: 1\nSHA256: ${sha256(Buffer.from(name))}\n`
}

function writeIndexes(
  dists: string,
  pocket: string,
  indexes: ReadonlyMap<string, string>,
  release: Readonly<Record<string, string>>,
): void {
  const paths = [...indexes.keys()]
  const fields = {
    ...{ Origin: 'Test', Suite: pocket, Codename: pocket, Date: 'Fri, 20 Nov 2026 02:11:10 UTC' },
    Architectures: [...new Set(paths.map((path) => path.replace(/.*binary-/, '')))].join(' '),
    Components: [...new Set(paths.map((path) => path.replace(/\/.*/, '')))].join(' '),
    ...release,
  }
  const lines = [...indexes].map(([path, index]) => {
    mkdirSync(join(dists, path), { recursive: true })
    writeFileSync(join(dists, path, 'Packages'), index)
    return ` ${sha256(Buffer.from(index))} ${Buffer.byteLength(index)} ${path}/Packages\n`
  })
  const head = Object.entries(fields).map(([field, value]) => `${field}: ${value}\n`)
  writeFileSync(join(dists, 'Release'), `${head.join('')}SHA256:\n${lines.join('')}`)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
