import { basename, join, posix } from 'node:path'
import type { Definition } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { ownerOf } from './accounts.ts'
import { BuildError } from './errors.ts'
import type { Attributes, LaidTree } from './laid-tree.ts'

type FileLayer = Definition['spec']['files'][number]

/** Lays the definition's files over the image. @throws BuildError `file-missing`, `owner-unknown` */
export async function layFiles(
  sys: Sys,
  tree: LaidTree,
  folder: string,
  layers: readonly FileLayer[],
): Promise<void> {
  for (const layer of layers) {
    const source = join(folder, layer.from)
    const stat = await sys.disk.lstat(source).catch((cause: unknown) => {
      throw new BuildError('file-missing', `there is no ${layer.from} beside ashlar.yaml`, {
        where: source,
        hint: 'correct spec.files in ashlar.yaml',
        cause,
      })
    })
    const owner = await ownerOf(tree, layer.owner)
    const to =
      !stat.isDirectory() && layer.to.endsWith('/') ? posix.join(layer.to, basename(source)) : layer.to
    await layEntry({ sys, tree, layer, owner }, source, to)
  }
}

interface Laying {
  readonly sys: Sys
  readonly tree: LaidTree
  readonly layer: FileLayer
  readonly owner: { readonly uid: number; readonly gid: number }
}

async function layEntry(laying: Laying, source: string, to: string): Promise<void> {
  const { sys, tree, layer, owner } = laying
  const folder: Attributes = { ...owner, mode: Number.parseInt(layer.directoryMode, 8) }
  const stat = await sys.disk.lstat(source)
  if (stat.isDirectory()) {
    await tree.ensureFolder(to, folder)
    for (const name of (await sys.disk.readdir(source)).toSorted())
      await layEntry(laying, join(source, name), posix.join(to, name))
  } else if (stat.isSymbolicLink()) {
    await tree.writeLink(to, await sys.disk.readlink(source), { ...owner, mode: 0o777 }, folder)
  } else if (stat.isFile()) {
    const mode =
      layer.mode === undefined ? ((stat.mode & 0o100) === 0 ? 0o644 : 0o755) : Number.parseInt(layer.mode, 8)
    await tree.writeFile(to, await sys.disk.readFile(source), { ...owner, mode }, folder)
  } else {
    throw new BuildError('file-missing', `${source} is neither file, folder nor link`, { where: source })
  }
}
