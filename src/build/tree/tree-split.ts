import { dirname } from 'node:path'
import type { Lock } from '../../core/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { LaidTree } from './laid-tree.ts'

/** A file, folder or link of a tree, and what tells it from its other names. */
export interface TreePath {
  readonly path: string
  readonly folder: boolean
  readonly inode: string
}

/** Every path of a tree, each folder's own right behind it. */
export async function listTree(sys: Sys, tree: string): Promise<readonly TreePath[]> {
  const { exitCode, stdout, stderr } = await sys.exec.run('find', [
    tree,
    ...['-mindepth', '1', '-printf', '%y %i %P\\0'],
  ])
  if (exitCode !== 0)
    throw new BuildError('tool-failed', `cannot list the tree: ${stderr.trim()}`, { where: tree })
  return new TextDecoder()
    .decode(stdout)
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const [kind = '', inode = '', ...path] = line.split(' ')
      return { path: path.join(' '), folder: kind === 'd', inode }
    })
    .toSorted((a, b) => inOrder(a.path, b.path))
}

/** tar(1) gives a folder its time when the first name comes that does not lie in it; what came later would change it again. */
function inOrder(a: string, b: string): number {
  const key = (path: string) => Buffer.from(path === '.' ? '' : path.replaceAll('/', '\0'))
  return Buffer.compare(key(a), key(b))
}

const infoFolder = '/var/lib/dpkg/info'

/** Which layer of the lock brings which paths, by the lists that dpkg keeps. */
export async function ownersOf(
  sys: Sys,
  tree: string,
  { packages, layers }: Pick<Lock, 'packages' | 'layers'>,
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const layerOf = new Map(
    layers.flatMap((sources, index) => sources.map((source) => [source, index] as const)),
  )
  const laid = new LaidTree(sys, tree)
  const owners = new Map<string, Set<number>>()
  const own = (path: string, layer: number) => {
    const known = owners.get(path)
    if (known === undefined) owners.set(path, new Set([layer]))
    else known.add(layer)
  }
  const files = await laid.list(infoFolder)
  const byPackage = Map.groupBy(files, (file) => file.replace(/(?::[a-z0-9-]+)?\.[a-z0-9]+$/, ''))
  for (const { name, source } of packages) {
    const layer = layerOf.get(source)
    if (layer === undefined) continue
    for (const file of byPackage.get(name) ?? []) {
      own(`var/lib/dpkg/info/${file}`, layer)
      if (!file.endsWith('.list')) continue
      const text = (await laid.readText(`${infoFolder}/${file}`)) ?? ''
      for (const path of text.split('\n')) if (path.length > 1 && path !== '/.') own(placeInTree(path), layer)
    }
  }
  return owners
}

/** Where a path of a package lies in the image: /usr is merged, and the kernel was moved from /boot. */
function placeInTree(path: string): string {
  return path
    .slice(1)
    .replace(/^(?:bin|sbin|lib|lib64)(?=\/)/, 'usr/$&')
    .replace(/^boot\/(vmlinuz|config|System\.map)-(.+)$/, 'usr/lib/modules/$2/$1')
}

/** Here each package leaves a mark when it is installed: in the layer of who brings the folder, that would be another one with any of them. */
const registers = [
  'etc/alternatives',
  'etc/rc',
  'etc/systemd',
  'usr/lib/sysimage/dpkg',
  'usr/share/info',
  'var/lib/dpkg',
  'var/lib/systemd',
]

function isRegister(path: string): boolean {
  return registers.some((register) => path.startsWith(register))
}

/**
 * Distributes a tree over layers: for each the paths it has, with all folders on the way; one more than the lock names,
 * for what belongs to no package. Names of one file stay together. What a package made when it was installed goes with
 * the folder it lies in, if only one layer has that.
 */
export function splitPaths(
  paths: readonly TreePath[],
  owners: ReadonlyMap<string, ReadonlySet<number>>,
  layersCount: number,
): readonly (readonly string[])[] {
  const rest = layersCount
  const filled = new Set(paths.map(({ path }) => dirname(path)))
  const layerOfInode = new Map<string, number>()
  for (const { path, inode } of paths) {
    const layer = only(owners.get(path))
    if (layer !== undefined) layerOfInode.set(inode, layer)
  }
  const layers = Array.from({ length: layersCount + 1 }, () => new Set<string>(['.']))
  for (const { path, folder, inode } of paths) {
    // A folder that something lies in goes where that goes.
    if (folder && filled.has(path)) continue
    const layer =
      layerOfInode.get(inode) ?? (isRegister(path) ? rest : layerOfFolder(dirname(path), owners)) ?? rest
    if (!folder) layerOfInode.set(inode, layer)
    for (let at = path; at !== '.'; at = dirname(at)) layers[layer]?.add(at)
  }
  return layers.map((names) => [...names].toSorted(inOrder))
}

function layerOfFolder(path: string, owners: ReadonlyMap<string, ReadonlySet<number>>): number | undefined {
  for (let at = path; at !== '.'; at = dirname(at)) {
    const known = owners.get(at)
    if (known !== undefined) return only(known)
  }
  return undefined
}

function only(layers: ReadonlySet<number> | undefined): number | undefined {
  return layers?.size === 1 ? layers.values().next().value : undefined
}
