import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** Fields of a package's control file beside name, version and architecture. */
export type ArchivePackages = Readonly<Record<string, Readonly<Record<string, string>>>>

export interface DebianArchive {
  readonly folder: string
  readonly keyring: string
  /** `spec.base.mirrors` of a definition that uses it. */
  readonly mirrors: { readonly debian: string; readonly 'debian-security': string }
  /** Path of a package's file, to damage it. */
  file(name: string): string
  close(): Promise<void>
}

/**
 * A small archive of Debian's form, signed with a key of its own and served on loopback: all pockets of bookworm, with
 * every package in the first. For what real mirrors never show: broken files, foreign keys, missing versions.
 */
export async function debianArchive(folder: string, packages: ArchivePackages): Promise<DebianArchive> {
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
    makePackage(join(folder, 'debian'), name, fields),
  )
  for (const [archive, pocket, index] of [
    ['debian', 'bookworm', paragraphs.join('\n')],
    ['debian', 'bookworm-updates', ''],
    ['security', 'bookworm-security', ''],
  ] as const) {
    const dists = join(folder, archive, 'dists', pocket)
    const text = makeIndex(dists, pocket, index)
    writeFileSync(join(dists, 'Release'), text)
    gpg('--clearsign', '--output', join(dists, 'InRelease'), join(dists, 'Release'))
  }
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'])
  const server = createServer((request, response) => {
    const path = join(folder, decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-length': statSync(path).size })
    createReadStream(path).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    folder,
    keyring,
    mirrors: { debian: `${base}/debian`, 'debian-security': `${base}/security` },
    file: (name) => join(folder, 'debian', poolPath(name)),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function poolPath(name: string): string {
  return `pool/main/${name}_1.0_all.deb`
}

function makePackage(archive: string, name: string, fields: Readonly<Record<string, string>>): string {
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
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, join(archive, path)], { stdio: 'ignore' })
  const deb = readFileSync(join(archive, path))
  return `${text.join('')}Filename: ${path}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`
}

function makeIndex(dists: string, pocket: string, index: string): string {
  mkdirSync(join(dists, 'main/binary-amd64'), { recursive: true })
  writeFileSync(join(dists, 'main/binary-amd64/Packages'), index)
  const line = ` ${sha256(Buffer.from(index))} ${Buffer.byteLength(index)} main/binary-amd64/Packages`
  const head = `Origin: Test\nSuite: ${pocket}\nCodename: ${pocket}\nDate: Fri, 20 Nov 2026 02:11:10 UTC\n`
  return `${head}Architectures: amd64\nComponents: main\nSHA256:\n${line}\n`
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
