import { basename, join, posix, relative } from 'node:path'
import { type Definition, type Digest, unreachable } from '../../core/index.ts'
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
    for await (const entry of entriesOf(sys, file))
      read.push(
        recordOf(
          folder,
          entry,
          await layEntry({ sys, tree, layer, owner }, entry, posix.join(to, entry.path)),
        ),
      )
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
  for (const layer of layers)
    for await (const entry of entriesOf(sys, (await sourceOf(sys, folder, layer)).file))
      found.push(recordOf(folder, entry, await contentOf(sys, entry)))
  return digestOf(JSON.stringify(found))
}

/** What lies at an entry of `spec.files`, and below it. */
interface Entry {
  readonly file: string
  /** Below the entry; empty for itself. */
  readonly path: string
  readonly kind: 'folder' | 'link' | 'file' | 'other'
  /** Of a file's mode git keeps only whether its owner may execute it. */
  readonly isProgram: boolean
}

/** A folder comes before what is in it. */
async function* entriesOf(sys: Sys, file: string, path = ''): AsyncGenerator<Entry> {
  const stat = await sys.disk.lstat(file)
  const kind = stat.isDirectory()
    ? 'folder'
    : stat.isSymbolicLink()
      ? 'link'
      : stat.isFile()
        ? 'file'
        : 'other'
  yield { file, path, kind, isProgram: (stat.mode & 0o100) !== 0 }
  if (kind !== 'folder') return
  for (const name of (await sys.disk.readdir(file)).toSorted())
    yield* entriesOf(sys, join(file, name), posix.join(path, name))
}

/** What of an entry decides about the image; `content` is a link's target, or the digest of a file. */
function recordOf(folder: string, { file, kind, isProgram }: Entry, content: string | undefined): unknown {
  return [relative(folder, file), kind, kind === 'file' && isProgram, content]
}

async function contentOf(sys: Sys, { file, kind }: Entry): Promise<string | undefined> {
  if (kind === 'link') return await sys.disk.readlink(file)
  return kind === 'file' ? (await digestOfFile(sys, file)).digest : undefined
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
}

/** Returns the content that was laid, as {@link recordOf} wants it. */
async function layEntry(
  { sys, tree, layer, owner }: Laying,
  { file, kind, isProgram }: Entry,
  to: string,
): Promise<string | undefined> {
  const folder: Attributes = { ...owner, mode: Number.parseInt(layer.directoryMode, 8) }
  switch (kind) {
    case 'folder':
      return void (await tree.ensureFolder(to, folder))
    case 'link': {
      const target = await sys.disk.readlink(file)
      await tree.writeLink(to, target, { ...owner, mode: 0o777 }, folder)
      return target
    }
    case 'file': {
      const content = await sys.disk.readFile(file)
      const mode = layer.mode === undefined ? (isProgram ? 0o755 : 0o644) : Number.parseInt(layer.mode, 8)
      await tree.writeFile(to, content, { ...owner, mode }, folder)
      return digestOf(content)
    }
    case 'other':
      throw new BuildError('file-missing', `${file} is neither file, folder nor link`, { where: file })
    default:
      return unreachable(kind)
  }
}
