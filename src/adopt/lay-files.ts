import type { Definition, Finding } from '../core/index.ts'
import type { AccountPlan } from './accounts.ts'
import type { Entry, Facts } from './facts.ts'
import { unapplied } from './places.ts'
import { contentOf, secretContent } from './secrets.ts'

type FileLayer = Definition['spec']['files'][number]

/** A file or link of the definition's folder. */
export type LaidFile =
  | { readonly path: string; readonly content: Uint8Array; readonly executable: boolean }
  | { readonly path: string; readonly target: string }

export interface FilePlan {
  readonly files: readonly LaidFile[]
  readonly layers: readonly FileLayer[]
  /** Paths in the image that are carried over. */
  readonly carried: ReadonlySet<string>
  readonly findings: readonly Finding[]
}

/**
 * Judges contents and puts each file into a tree of those with the same owner and mode: `rootfs/` for root's own with the
 * usual modes, `rootfs-app-app/` or `rootfs-root-root-4755/` for others.
 */
export function layFiles(
  facts: Facts,
  candidates: readonly Entry[],
  contents: ReadonlyMap<string, Uint8Array>,
  accounts: AccountPlan,
): FilePlan {
  const findings: Finding[] = []
  const trees = new Map<string, FileLayer>()
  const files: LaidFile[] = []
  const carried = new Set<string>()
  for (const candidate of candidates) {
    const { path, kind, target, mode } = candidate
    const content = contents.get(path)
    const why = kind === 'l' ? undefined : whyRefused(candidate, content)
    if (why !== undefined) {
      findings.push({ ...why, where: path })
      continue
    }
    carried.add(path)
    findings.push(...unappliedFindings(path))
    if (content === undefined) {
      files.push({ path: `${treeOf(trees, 'root:root', undefined)}${path}`, target })
      continue
    }
    const owner = ownerOf(facts, candidate, accounts, findings)
    const usual = (mode & 0o100) === 0 ? 0o644 : 0o755
    const tree = treeOf(trees, owner, mode === usual ? undefined : mode)
    files.push({ path: `${tree}${path}`, content, executable: (mode & 0o100) !== 0 })
    if ((mode & 0o6000) !== 0) findings.push(privileged(path, mode, owner))
  }
  const layers = [...trees].toSorted(([a], [b]) => a.localeCompare(b, 'en')).map(([, layer]) => layer)
  return { files, layers, carried, findings }
}

/** What every program that knows of passwords names, and every image has. */
const accountFiles = /^\/etc\/g?shadow-?$/

/** Who names a secret by its path does not start without it. */
export function needFindings(files: readonly LaidFile[], secrets: readonly Finding[]): readonly Finding[] {
  const paths = [...new Set(secrets.flatMap(({ where }) => (where === undefined ? [] : [where])))].filter(
    (path) => !accountFiles.test(path),
  )
  return files.flatMap((file) => {
    if (!('content' in file)) return []
    const text = Buffer.from(file.content).toString('latin1')
    return paths
      .filter((path) => text.includes(path))
      .map((path) => ({
        code: 'secret-needed',
        message: `it names ${path}, which stays behind`,
        where: file.path.slice(file.path.indexOf('/')),
        hint: 'give that file to the node at run time, at a path in /var or /run',
      }))
  })
}

function unappliedFindings(where: string): readonly Finding[] {
  return unapplied
    .filter(([pattern]) => pattern.test(where))
    .map(([, message]) => ({ code: 'file-unapplied', message, where }))
}

function privileged(path: string, mode: number, owner: string): Finding {
  return {
    code: 'file-privileged',
    message: `carried over with mode ${octal(mode)}: it runs with rights of ${owner}`,
    where: path,
    hint: 'is it still needed? its mode is in spec.files',
  }
}

const unread = {
  code: 'unread',
  message: 'it could not be read by a user without rights, or changed while this ran',
  hint: 'run it again; lay it below rootfs/ by hand if it holds no secret',
}

function whyRefused({ path }: Entry, content: Uint8Array | undefined): Finding | undefined {
  if (content === undefined) return unread
  const kind = contentOf(content)
  const secret = kind === 'opaque' ? undefined : secretContent(path, content, kind)
  if (secret !== undefined)
    return {
      code: 'secret',
      message: `it seems to hold ${secret}`,
      hint: 'give it to the node at run time; if it is none, lay the file below rootfs/ by hand',
    }
  if (kind === 'opaque')
    return {
      code: 'file-opaque',
      message: 'neither text nor a program, so that nobody can see whether it holds a secret',
      hint: 'lay it below rootfs/ by hand if it holds none',
    }
  if (kind === 'program' && !/^\/(?:usr\/local|opt)\//.test(path))
    return {
      code: 'file-opaque',
      message: 'a program, and not where programs are',
      hint: 'put it into a package',
    }
  return undefined
}

/** Owner and group by name, where the image has both. */
function ownerOf(facts: Facts, entry: Entry, accounts: AccountPlan, findings: Finding[]): string {
  const user = facts.users.find(({ uid }) => uid === entry.uid)?.name
  const group = facts.groups.find(({ gid }) => gid === entry.gid)?.name
  const known = (name: string | undefined, names: ReadonlySet<string>) =>
    name !== undefined && names.has(name) ? name : undefined
  const owner = known(user, accounts.userNames)
  const ownerGroup = known(group, accounts.groupNames)
  if (owner === undefined || ownerGroup === undefined)
    findings.push({
      code: 'owner-lost',
      message: `it was ${user ?? entry.uid}:${group ?? entry.gid}’s; the image does not have both, so it is root’s`,
      where: entry.path,
    })
  return owner === undefined || ownerGroup === undefined ? 'root:root' : `${owner}:${ownerGroup}`
}

function treeOf(trees: Map<string, FileLayer>, owner: string, mode: number | undefined): string {
  const usual = owner === 'root:root' && mode === undefined
  const name = usual
    ? 'rootfs'
    : ['rootfs', ...owner.split(':'), ...(mode === undefined ? [] : [octal(mode)])].join('-')
  const layer: FileLayer = { from: `${name}/`, to: '/', owner, directoryMode: '0755' }
  trees.set(name, mode === undefined ? layer : { ...layer, mode: octal(mode) })
  return name
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
