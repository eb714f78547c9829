import { AdoptError } from './errors.ts'
import type { Entry, Facts, Package, Socket } from './facts.ts'
import { pathCharactersMax } from './limits.ts'
import { foldersOf } from './paths.ts'

/** The lines of the script, by kind, in their order. */
export type Rows = ReadonlyMap<string, readonly string[]>

export function rowsOf(text: string): Rows {
  const rows = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const tab = line.indexOf('\t')
    if (tab < 1) continue
    const kind = line.slice(0, tab)
    const list = rows.get(kind)
    if (list === undefined) rows.set(kind, [line.slice(tab + 1)])
    else list.push(line.slice(tab + 1))
  }
  return rows
}

export function factsOf(rows: Rows): Facts {
  const all = (kind: string): readonly string[] => rows.get(kind) ?? []
  const cells = (kind: string): readonly (readonly string[])[] => all(kind).map((row) => row.split('\t'))
  const first = (kind: string): string => all(kind)[0]?.trim() ?? ''
  const owned = (kind: string) => cells(kind).map(([name = '', path = '']) => ({ package: name, path }))
  const packages = packagesOf(all('status'))
  const architecture = architectureOf(packages)
  return {
    live: first('live') === 'yes',
    release: releaseOf(all('release')),
    debianVersion: first('debian-version'),
    hostname: first('hostname'),
    packages: new Map(
      packages.map((one) => [
        [architecture, 'all'].includes(one.architecture) ? one.name : `${one.name}:${one.architecture}`,
        one,
      ]),
    ),
    architecture,
    automatic: new Set(all('auto')),
    indexed: all('index').includes('Debian'),
    offers: grouped(
      cells('origin').map(([name = '', version = '', origin = '', component = '']) => [
        name,
        { version, origin, component },
      ]),
    ),
    owners: new Map(owned('owned').map((row) => [merged(row.path), row.package])),
    entries: entriesOf(cells('entry')),
    md5: new Map(all('md5').map((row) => [`/${row.slice(34)}`, row.slice(0, 32)])),
    ucf: new Map(all('ucf').map((row) => [row.slice(34).trim(), row.slice(0, 32)])),
    templates: new Set(all('template').map((row) => row.slice(0, 32))),
    changed: owned('changed').map((row) => ({ ...row, path: merged(row.path) })),
    lost: owned('lost'),
    closed: owned('closed').map(({ path }) => path),
    oddNames: all('odd').map((path) => `/${path}`),
    stray: all('stray'),
    top: all('top'),
    ...accountsOf(cells),
    enabledByPackages: new Set(all('helper-enabled')),
    maskedByPackages: new Set(all('helper-masked')),
    presets: cells('preset')
      .map(([row = '']) => row.trim().split(/\s+/))
      .map(([verb = '', pattern = '']) => ({ verb, pattern })),
    alternatives: all('alternative'),
    diversions: cells('diversion').map(([from = '', to = '', by = '']) => ({ from, to, by })),
    states: cells('state').map(([size, path = '']) => ({ kilobytes: Number(size), path })),
    crontabs: all('crontab'),
    mounts: cells('mount').map(([at = '', type = '']) => ({ at, type })),
    kernelArguments: all('kernel').flatMap((line) => line.split(/\s+/).filter(Boolean)),
    foreign: cells('foreign').map(([by = '', name = '']) => ({ by, name })),
    sockets: rows.has('sockets') ? cells('socket').map(socketOf) : undefined,
  }
}

function socketOf([at = '', process = '', unit = '']: readonly string[]): Socket {
  const colon = at.lastIndexOf(':')
  return { address: at.slice(0, colon), port: Number(at.slice(colon + 1)), process, unit }
}

type Cells = (kind: string) => readonly (readonly string[])[]

function accountsOf(cells: Cells) {
  const fields = (kind: string) => cells(kind).map(([row = '']) => row.split(':'))
  return {
    users: fields('passwd').map(([name = '', , uid, gid, , home = '', shell = '']) => ({
      ...{ name, uid: Number(uid), gid: Number(gid), home, shell },
    })),
    groups: fields('group').map(([name = '', , gid, members = '']) => ({
      ...{ name, gid: Number(gid), members: members.split(',').filter(Boolean) },
    })),
    baseAccounts: new Set(cells('base-account').map(([name = '']) => name)),
    makers: grouped(cells('maker').map(([name = '', maker = '']) => [name, maker] as const)),
  }
}

/** Where `/lib` is a link to `/usr/lib`, dpkg still names what packages ship as they ship it. */
function merged(path: string): string {
  return /^\/(?:bin|sbin|lib|lib32|lib64|libx32)\//.test(path) ? `/usr${path}` : path
}

/** These paths are written below a folder of ours: a system that lies must not lead out of it. @throws AdoptError `observation-broken` */
function entriesOf(rows: readonly (readonly string[])[]): ReadonlyMap<string, Entry> {
  const entries = new Map(rows.map(entryOf).map((entry) => [entry.path, entry]))
  for (const { path } of entries.values()) {
    const isPlain =
      path.length <= pathCharactersMax &&
      path.startsWith('/') &&
      path
        .slice(1)
        .split('/')
        .every((part) => !['', '.', '..'].includes(part))
    const isBelowFolders = () => foldersOf(path).every((folder) => (entries.get(folder)?.kind ?? 'd') === 'd')
    if (!isPlain || !isBelowFolders())
      throw new AdoptError('observation-broken', 'the system names a file that cannot be where it says', {
        where: path,
        hint: 'look at the system by other means: what it tells of itself contradicts itself',
      })
  }
  return entries
}

function entryOf(cells: readonly string[]): Entry {
  const [kind = '', mode = '', uid, gid, size, path = '', target = ''] = cells
  return {
    ...{ path, kind, mode: Number.parseInt(mode, 8) & 0o7777, uid: Number(uid), gid: Number(gid) },
    ...{ sizeBytes: Number(size), target },
  }
}

function releaseOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.flatMap((line) => {
      const match = /^([A-Z_]+)=(.*)$/.exec(line)
      return match === null ? [] : [[match[1], match[2]?.replace(/^(["'])(.*)\1$/, '$2')]]
    }),
  )
}

/** dpkg itself is of the system's own architecture. */
function architectureOf(packages: readonly Package[]): string {
  return packages.find(({ name }) => name === 'dpkg')?.architecture ?? ''
}

/** Paragraphs of dpkg's status file, of installed packages; each conffile has a line of its own. */
function packagesOf(lines: readonly string[]): readonly Package[] {
  const packages: Package[] = []
  let fields = new Map<string, string>()
  let conffiles = new Map<string, string>()
  for (const line of [...lines, '']) {
    if (line === '') {
      const one = packageOf(fields, conffiles)
      if (one !== undefined) packages.push(one)
      fields = new Map()
      conffiles = new Map()
    } else if (line.startsWith('Conffile:')) {
      // Flags after the checksum say that it is no longer shipped; what was never unpacked has none.
      const [, path, md5] = /^ (\S+) ([0-9a-f]{32})$/.exec(line.slice(9)) ?? []
      if (path !== undefined && md5 !== undefined) conffiles.set(path, md5)
    } else {
      const colon = line.indexOf(': ')
      fields.set(line.slice(0, colon), line.slice(colon + 2))
    }
  }
  return packages
}

function packageOf(fields: Map<string, string>, conffiles: Map<string, string>): Package | undefined {
  const field = (name: string) => fields.get(name) ?? ''
  const [want, , state] = field('Status').split(' ')
  if (state !== 'installed' || !/^[a-z0-9][a-z0-9+.-]+$/.test(field('Package'))) return undefined
  return {
    name: field('Package'),
    version: field('Version'),
    architecture: field('Architecture'),
    essential: field('Essential') === 'yes',
    held: want === 'hold',
    depends: [field('Pre-Depends'), field('Depends')].filter(Boolean).join(', '),
    recommends: field('Recommends'),
    provides: field('Provides'),
    conffiles,
  }
}

function grouped<Value>(pairs: readonly (readonly [string, Value])[]): Map<string, Value[]> {
  const map = new Map<string, Value[]>()
  for (const [key, value] of pairs) {
    const list = map.get(key)
    if (list === undefined) map.set(key, [value])
    else list.push(value)
  }
  return map
}
