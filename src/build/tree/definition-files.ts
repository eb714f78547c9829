import { basename, join, posix, relative } from 'node:path'
import type { Definition, Digest } from '../../core/index.ts'
import { digestOf } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { digestOfFile } from '../workshop/index.ts'
import { ownerOf } from './accounts.ts'
import type { Attributes, LaidTree } from './laid-tree.ts'

type FileLayer = Definition['spec']['files'][number]

/** What an entry of `spec.files` means on disk. */
interface Source {
  readonly file: string
  readonly isFolder: boolean
}

/**
 * Lays the definition's files over the image. `digest` is what {@link filesDigest} gave: the files may have been changed
 * since, and what is kept under that digest must be what it names.
 * @throws BuildError `file-missing`, `owner-unknown`, `context-changed`
 */
export async function layFiles(
  sys: Sys,
  tree: LaidTree,
  {
    folder,
    layers,
    digest,
  }: { readonly folder: string; readonly layers: readonly FileLayer[]; readonly digest: Digest },
): Promise<void> {
  const read: unknown[] = []
  for (const layer of layers) {
    const { file, isFolder } = await sourceOf(sys, folder, layer)
    const owner = await ownerOf(tree, layer.owner)
    const to = !isFolder && layer.to.endsWith('/') ? posix.join(layer.to, basename(file)) : layer.to
    await layEntry({ sys, tree, layer, owner, folder, read }, file, to)
  }
  if (digestOf(JSON.stringify(read)) === digest) return
  throw new BuildError('context-changed', 'files of the definition changed while they were read', {
    where: folder,
    hint: 'run ashlar build again when nothing writes there',
  })
}

/** The digest of all that {@link layFiles} reads. @throws BuildError `file-missing` */
export async function filesDigest(sys: Sys, folder: string, layers: readonly FileLayer[]): Promise<Digest> {
  const found: unknown[] = []
  const add = async (file: string) => {
    const name = relative(folder, file)
    const stat = await sys.disk.lstat(file)
    if (stat.isDirectory()) {
      found.push([name, 'folder'])
      for (const inside of (await sys.disk.readdir(file)).toSorted()) await add(join(file, inside))
    } else if (stat.isSymbolicLink()) found.push([name, 'link', await sys.disk.readlink(file)])
    else if (stat.isFile()) found.push([name, isProgram(stat), (await digestOfFile(sys, file)).digest])
    else found.push([name, 'other'])
  }
  for (const layer of layers) await add((await sourceOf(sys, folder, layer)).file)
  return digestOf(JSON.stringify(found))
}

/** Of a file's mode git keeps only whether its owner may execute it. */
function isProgram({ mode }: { readonly mode: number }): boolean {
  return (mode & 0o100) !== 0
}

async function sourceOf(sys: Sys, folder: string, layer: FileLayer): Promise<Source> {
  const file = join(folder, layer.from)
  const stat = await sys.disk.lstat(file).catch((cause: unknown) => {
    throw new BuildError('file-missing', `there is no ${layer.from} beside ashlar.yaml`, {
      where: file,
      hint: 'correct spec.files in ashlar.yaml',
      cause,
    })
  })
  return { file, isFolder: stat.isDirectory() }
}

interface Laying {
  readonly sys: Sys
  readonly tree: LaidTree
  readonly layer: FileLayer
  readonly owner: { readonly uid: number; readonly gid: number }
  readonly folder: string
  /** What was read, as {@link filesDigest} lists it. */
  readonly read: unknown[]
}

async function layEntry(laying: Laying, source: string, to: string): Promise<void> {
  const { sys, tree, layer, owner, read } = laying
  const name = relative(laying.folder, source)
  const folder: Attributes = { ...owner, mode: Number.parseInt(layer.directoryMode, 8) }
  const stat = await sys.disk.lstat(source)
  if (stat.isDirectory()) {
    read.push([name, 'folder'])
    await tree.ensureFolder(to, folder)
    for (const name of (await sys.disk.readdir(source)).toSorted())
      await layEntry(laying, join(source, name), posix.join(to, name))
  } else if (stat.isSymbolicLink()) {
    const target = await sys.disk.readlink(source)
    read.push([name, 'link', target])
    await tree.writeLink(to, target, { ...owner, mode: 0o777 }, folder)
  } else if (stat.isFile()) {
    const content = await sys.disk.readFile(source)
    read.push([name, isProgram(stat), digestOf(content)])
    const mode = layer.mode === undefined ? (isProgram(stat) ? 0o755 : 0o644) : Number.parseInt(layer.mode, 8)
    await tree.writeFile(to, content, { ...owner, mode }, folder)
  } else {
    throw new BuildError('file-missing', `${source} is neither file, folder nor link`, { where: source })
  }
}
