import { posix } from 'node:path'
import { blockBytes } from '../../disk/index.ts'
import { BuildError } from '../errors.ts'
import type { ImageFile, ImageFolder, ImageLink, ImageNode, Inode } from './erofs.ts'
import type { LayerEntry } from './layer-tar.ts'

/** A layer as it lies in an image: its contents begin at a block of their own. */
export interface PlacedLayer {
  readonly entries: readonly LayerEntry[]
  readonly firstBlock: number
}

interface GrowingFolder extends ImageFolder {
  readonly children: Map<string, ImageNode>
}

const noAttributes: ReadonlyMap<string, Uint8Array> = new Map()

/** The tree that layers make together, lowest first: what a later one has takes the place of what was there. */
export function mergeLayers(layers: readonly PlacedLayer[]): ImageFolder {
  let root: GrowingFolder = {
    ...{ kind: 'folder', mode: 0o755, uid: 0, gid: 0, mtime: 0 },
    attributes: noAttributes,
    children: new Map(),
  }
  for (const { entries, firstBlock } of layers)
    for (const entry of entries) {
      if (entry.path === '') {
        root = { ...folderOf(entry), children: root.children }
        continue
      }
      const { parent, name } = placeOf(root, entry.path)
      const there = parent.children.get(name)
      if (there?.kind === 'folder' && entry.kind !== 'folder')
        throw new BuildError('file-missing', `/${entry.path} is a folder in a lower layer`, {
          where: `/${entry.path}`,
        })
      parent.children.set(name, nodeOf(entry, firstBlock, root, there))
    }
  return root
}

function nodeOf(entry: LayerEntry, firstBlock: number, root: GrowingFolder, there?: ImageNode): ImageNode {
  switch (entry.kind) {
    case 'folder':
      return { ...folderOf(entry), children: there?.kind === 'folder' ? new Map(there.children) : new Map() }
    case 'link':
      return { ...inodeOf(entry), kind: 'link', target: entry.target ?? '' } satisfies ImageLink
    case 'file': {
      const block = firstBlock + entry.block
      return { ...inodeOf(entry), kind: 'file', sizeBytes: entry.sizeBytes, block } satisfies ImageFile
    }
    case 'hard-link': {
      const other = find(root, entry.target ?? '')
      if (other !== undefined && other.kind !== 'folder') return other
      throw new RangeError(`/${entry.path} is another name of what is not there`)
    }
  }
}

function inodeOf({ mode, uid, gid, mtime, attributes }: LayerEntry): Inode {
  if (attributes === undefined) return { mode, uid, gid, mtime, attributes: noAttributes }
  const values = Object.entries(attributes).map(
    ([name, value]) => [name, Buffer.from(value, 'base64')] as const,
  )
  return { mode, uid, gid, mtime, attributes: new Map(values) }
}

function folderOf(entry: LayerEntry): GrowingFolder {
  return { ...inodeOf(entry), kind: 'folder', children: new Map() }
}

function placeOf(root: GrowingFolder, path: string): { parent: GrowingFolder; name: string } {
  const parent = find(root, posix.dirname(path) === '.' ? '' : posix.dirname(path))
  if (parent?.kind !== 'folder') throw new RangeError(`a layer has /${path}, and not the folder it is in`)
  return { parent: parent as GrowingFolder, name: posix.basename(path) }
}

function find(root: ImageFolder, path: string): ImageNode | undefined {
  let node: ImageNode | undefined = root
  for (const name of path.split('/').filter(Boolean))
    node = node?.kind === 'folder' ? node.children.get(name) : undefined
  return node
}

/** Blocks of all contents of a layer. */
export function blocksOf(entries: readonly LayerEntry[]): number {
  return entries.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / blockBytes), 0)
}

/** The content of a tree's files, and what lies at a path; no link is followed. */
export class ImageTree {
  readonly root: ImageFolder
  readonly #readBlocks: (block: number, sizeBytes: number) => Promise<Uint8Array>

  constructor(root: ImageFolder, readBlocks: (block: number, sizeBytes: number) => Promise<Uint8Array>) {
    this.root = root
    this.#readBlocks = readBlocks
  }

  find(path: string): ImageNode | undefined {
    return find(this.root, path)
  }

  names(path: string): readonly string[] {
    const node = this.find(path)
    return node?.kind === 'folder' ? [...node.children.keys()] : []
  }

  async read(file: ImageFile): Promise<Uint8Array> {
    return file.sizeBytes === 0 ? new Uint8Array() : await this.#readBlocks(file.block, file.sizeBytes)
  }
}
