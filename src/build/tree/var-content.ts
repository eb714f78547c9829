import { basename, dirname, join } from 'node:path'
import type { Sys } from '../../sys/index.ts'
import { type Chamber, runScript } from '../workshop/index.ts'
import { LaidTree } from './laid-tree.ts'

/** One file, folder or link under `/var`. */
export interface VarEntry {
  /** As find(1) prints it: `d`, `f`, `l` … */
  readonly kind: string
  /** Octal. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  /** Relative to `/var`. */
  readonly path: string
  /** Of a link. */
  readonly target: string
}

/** Where systemd-tmpfiles looks for the content of a `C` line that names none (tmpfiles.d(5)). */
export const factory = '/usr/share/factory'

const listScript = `
cd /var
find . -mindepth 1 -path ./lib/dpkg -prune -o -printf '%y\\0%m\\0%U\\0%G\\0%P\\0%l\\0'
`
const linkScript = `
umask 022
mkdir -p ${factory}/var /usr/lib/sysimage
rm -rf /usr/lib/sysimage/dpkg
cp -al /var/lib/dpkg /usr/lib/sysimage/dpkg
cd /var
find . -path ./lib/dpkg -prune -o -type f -print0 | xargs -0 -r cp -al --parents -t ${factory}/var
`

/**
 * Keeps what packages ship under `/var`, which a node mounts its own folder over: each file has a second name (a hard
 * link) in the factory, and a `tmpfiles.d` file makes `/var` from there at boot. The dpkg database is reached by a link.
 */
export async function keepVar(sys: Sys, chamber: Chamber): Promise<void> {
  const { stdout } = await runScript(sys, chamber, listScript)
  await runScript(sys, chamber, linkScript)
  const known = await runScript(
    sys,
    chamber,
    'cat /etc/tmpfiles.d/*.conf /usr/lib/tmpfiles.d/*.conf 2> /dev/null || true',
  )
  const entries = parseVarList(new TextDecoder().decode(stdout))
  const text = tmpfilesOf(entries, pathsOfTmpfiles(new TextDecoder().decode(known.stdout)))
  const dpkg = 'L /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg\n'
  const tree = new LaidTree(sys, chamber.root)
  await tree.writeFile('/usr/lib/tmpfiles.d/ashlar-packages.conf', text + dpkg)
}

/** As {@link keepVar}, for what the definition itself lays under `/var` in `upper`. */
export async function keepLaidVar(sys: Sys, tree: LaidTree, upper: string): Promise<void> {
  const entries = await listLaidVar(sys, join(upper, 'var'), '')
  if (entries.length === 0) return
  for (const { kind, path } of entries) {
    if (kind !== 'f') continue
    const kept = `${factory}/var/${path}`
    const folder = await tree.ensureFolder(dirname(kept))
    await sys.disk.link(join(upper, 'var', path), join(folder, basename(kept)))
  }
  await tree.writeFile('/usr/lib/tmpfiles.d/ashlar-definition.conf', tmpfilesOf(entries))
}

async function listLaidVar(sys: Sys, folder: string, path: string): Promise<readonly VarEntry[]> {
  const here = join(folder, path)
  const stat = await sys.disk.lstat(here).catch(() => undefined)
  if (stat === undefined) return []
  const mode = (stat.mode & 0o7777).toString(8)
  const entry = { mode, uid: stat.uid, gid: stat.gid, path }
  if (stat.isSymbolicLink()) return [{ ...entry, kind: 'l', target: await sys.disk.readlink(here) }]
  if (!stat.isDirectory()) return [{ ...entry, kind: 'f', target: '' }]
  const inside: VarEntry[] = path === '' ? [] : [{ ...entry, kind: 'd', target: '' }]
  for (const name of (await sys.disk.readdir(here)).toSorted())
    inside.push(...(await listLaidVar(sys, folder, join(path, name))))
  return inside
}

export function parseVarList(text: string): readonly VarEntry[] {
  const fields = text.split('\0')
  const entries: VarEntry[] = []
  for (let i = 0; i + 5 < fields.length; i += 6) {
    const [kind = '', mode = '', uid, gid, path = '', target = ''] = fields.slice(i, i + 6)
    entries.push({ kind, mode, uid: Number(uid), gid: Number(gid), path, target })
  }
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Paths that a package's own `tmpfiles.d` file makes: a second line for the same path is refused with a warning. */
export function pathsOfTmpfiles(text: string): ReadonlySet<string> {
  return new Set(
    text
      .split('\n')
      .flatMap((line) => /^[a-zA-Z][^\s]*\s+(\/var\/[^\s]*[^\s/])\/?(?:\s|$)/.exec(line)?.[1] ?? []),
  )
}

/** Lines of tmpfiles.d(5) that make these entries where they are not there yet. */
export function tmpfilesOf(entries: readonly VarEntry[], known: ReadonlySet<string> = new Set()): string {
  return entries
    .filter(({ path }) => !known.has(`/var/${path}`))
    .map(({ kind, mode, uid, gid, path, target }) => {
      const where = quote(`/var/${path}`)
      if (kind === 'd') return `d ${where} ${mode.padStart(4, '0')} ${uid} ${gid} -\n`
      if (kind === 'l') return `L ${where} - - - - ${quote(target)}\n`
      return kind === 'f' ? `C ${where} ${mode.padStart(4, '0')} ${uid} ${gid} -\n` : ''
    })
    .join('')
}

function quote(path: string): string {
  const escaped = path.replaceAll('%', '%%').replace(/[\\"]/g, '\\$&')
  return /[\s\\"']/.test(path) ? `"${escaped}"` : escaped
}
