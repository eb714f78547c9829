import { blockBytes } from '../../disk/index.ts'

/** Owner, mode, time and attributes of anything in an image. */
export interface Inode {
  /** Permission bits, with set-id and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly mtime: number
  /** Extended attributes by full name, `security.capability`. */
  readonly attributes: ReadonlyMap<string, Uint8Array>
}

export interface ImageFolder extends Inode {
  readonly kind: 'folder'
  readonly children: ReadonlyMap<string, ImageNode>
}

/** Found under several names, it is one file with several links. */
export interface ImageFile extends Inode {
  readonly kind: 'file'
  readonly sizeBytes: number
  /** Where its content begins in the image, in blocks. */
  readonly block: number
}

export interface ImageLink extends Inode {
  readonly kind: 'link'
  readonly target: string
}

export type ImageNode = ImageFolder | ImageFile | ImageLink

/** Linux, fs/erofs/erofs_fs.h: the extended inode, the unit in which inodes are numbered, one entry of a folder. */
const inodeBytes = 64
const slotBytes = 32
const direntBytes = 12
const attributesHeadBytes = 12
const superblockOffset = 1024
const magic = 0xe0f5e1e2
const layouts = { plain: 0, inline: 2 } as const
const types = {
  folder: { mode: 0o040000, dirent: 2 },
  file: { mode: 0o100000, dirent: 1 },
  link: { mode: 0o120000, dirent: 7 },
} as const
/** Prefixes of attributes are numbers; only these two are met in a root tree. */
const attributePrefixes = new Map([
  ['user.', 1],
  ['security.', 6],
])

interface Placed {
  readonly node: ImageNode
  readonly parent: ImageFolder
  /** Of the inode, in the metadata. */
  readonly offset: number
  readonly attributes: Buffer
  readonly sizeBytes: number
  /** The end of the content, where it lies behind the inode. */
  readonly inlineBytes: number
  /** Where the content, or what is not inline, begins in the image. */
  block: number
  links: number
}

/**
 * The first block and the metadata of an EROFS image; between the two lie the contents of its files, uncompressed, each
 * from the beginning of a block. Written here and not by mkfs.erofs, which strews metadata among the contents: with all
 * of it in one place, a changed file changes its own blocks and these, and a node needs no more than that.
 * Format: Linux, Documentation/filesystems/erofs.rst, "On-disk details".
 */
export function layOutErofs(
  root: ImageFolder,
  image: {
    /** Where the metadata begins: behind every content. */
    readonly metadataBlock: number
    readonly uuid: string
    readonly epochSeconds: number
  },
): { readonly superblock: Buffer; readonly metadata: Buffer } {
  const places = placeInodes(root)
  const endBlock = placeBlocks(places, image.metadataBlock)
  const metadata = Buffer.alloc((endBlock - image.metadataBlock) * blockBytes)
  for (const [number, placed] of [...places.values()].entries()) {
    writeInode(metadata, placed, number + 1)
    if (placed.node.kind === 'file') continue
    const content = contentOf(placed, places)
    const wholeBytes = content.length - placed.inlineBytes
    content.copy(metadata, (placed.block - image.metadataBlock) * blockBytes, 0, wholeBytes)
    content.copy(metadata, placed.offset + inodeBytes + placed.attributes.length, wholeBytes)
  }
  return { superblock: superblockOf(image, places.size, endBlock), metadata }
}

/** Walks the tree by name and gives each inode its offset. The root is the first: its number has only 16 bits. */
function placeInodes(root: ImageFolder): Map<ImageNode, Placed> {
  const places = new Map<ImageNode, Placed>()
  let end = 0
  const place = (node: ImageNode, parent: ImageFolder) => {
    const known = places.get(node)
    if (known !== undefined) {
      known.links++
      return
    }
    const attributes = attributesOf(node)
    const sizeBytes = sizeOf(node)
    const headBytes = inodeBytes + attributes.length
    const tailBytes = node.kind === 'file' ? 0 : sizeBytes % blockBytes
    const inlineBytes = headBytes + tailBytes <= blockBytes ? tailBytes : 0
    const bytes = headBytes + inlineBytes
    // What lies behind an inode ends in the same block.
    if ((end % blockBytes) + bytes > blockBytes) end = roundUp(end, blockBytes)
    const block = node.kind === 'file' ? node.block : 0
    const links = node.kind === 'folder' ? 2 : 1
    places.set(node, { node, parent, offset: end, attributes, sizeBytes, inlineBytes, block, links })
    end = roundUp(end + bytes, slotBytes)
    if (node.kind !== 'folder') return
    for (const name of sortedNames(node.children.keys())) {
      const child = node.children.get(name)
      if (child === undefined) continue
      if (child.kind === 'folder') placedOf(places, node).links++
      place(child, node)
    }
  }
  place(root, root)
  return places
}

/** Whole blocks of folders (and of very long links) follow the inodes. Returns the image's end. */
function placeBlocks(places: ReadonlyMap<ImageNode, Placed>, metadataBlock: number): number {
  const last = [...places.values()].at(-1)
  const inodesBytes =
    last === undefined ? 0 : last.offset + inodeBytes + last.attributes.length + last.inlineBytes
  let block = metadataBlock + Math.ceil(inodesBytes / blockBytes)
  for (const placed of places.values()) {
    if (placed.node.kind === 'file') continue
    placed.block = block
    block += Math.ceil((placed.sizeBytes - placed.inlineBytes) / blockBytes)
  }
  return block
}

function sizeOf(node: ImageNode): number {
  if (node.kind === 'file') return node.sizeBytes
  if (node.kind === 'link') return Buffer.byteLength(node.target)
  const blocks = nameBlocks(node)
  return (blocks.length - 1) * blockBytes + direntsBytes(blocks.at(-1) ?? [])
}

/** Of a folder, as entries that name inodes; of a link, its target. */
function contentOf({ node, parent, sizeBytes }: Placed, places: ReadonlyMap<ImageNode, Placed>): Buffer {
  if (node.kind === 'file') return Buffer.alloc(0)
  if (node.kind === 'link') return Buffer.from(node.target)
  const content = Buffer.alloc(sizeBytes)
  for (const [index, names] of nameBlocks(node).entries()) {
    const start = index * blockBytes
    let nameOffset = names.length * direntBytes
    for (const [position, name] of names.entries()) {
      const target = name === '.' ? node : name === '..' ? parent : node.children.get(name)
      if (target === undefined) continue
      const at = start + position * direntBytes
      content.writeBigUInt64LE(BigInt(placedOf(places, target).offset / slotBytes), at)
      content.writeUInt16LE(nameOffset, at + 8)
      content.writeUInt8(types[target.kind].dirent, at + 10)
      nameOffset += content.write(name, start + nameOffset)
    }
  }
  return content
}

/** The names of a folder in the order of their bytes, as many to a block as fit. */
function nameBlocks(folder: ImageFolder): readonly (readonly string[])[] {
  const blocks: string[][] = []
  let room = 0
  for (const name of sortedNames(['.', '..', ...folder.children.keys()])) {
    const bytes = direntsBytes([name])
    const block = bytes <= room ? blocks.at(-1) : undefined
    if (block === undefined) blocks.push([name])
    else block.push(name)
    room = (block === undefined ? blockBytes : room) - bytes
  }
  return blocks
}

function direntsBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + direntBytes + Buffer.byteLength(name), 0)
}

/** By the bytes of the names: the kernel looks them up by halves. */
function sortedNames(names: Iterable<string>): readonly string[] {
  return [...names]
    .map((name) => Buffer.from(name))
    .toSorted(Buffer.compare)
    .map(String)
}

function writeInode(metadata: Buffer, placed: Placed, number: number): void {
  const { node, offset, attributes, sizeBytes, inlineBytes, block, links } = placed
  const layout = inlineBytes > 0 ? layouts.inline : layouts.plain
  metadata.writeUInt16LE(1 | (layout << 1), offset)
  metadata.writeUInt16LE(attributeUnits(attributes), offset + 2)
  metadata.writeUInt16LE(types[node.kind].mode | node.mode, offset + 4)
  metadata.writeBigUInt64LE(BigInt(sizeBytes), offset + 8)
  metadata.writeUInt32LE(block, offset + 16)
  metadata.writeUInt32LE(number, offset + 20)
  metadata.writeUInt32LE(node.uid, offset + 24)
  metadata.writeUInt32LE(node.gid, offset + 28)
  metadata.writeBigInt64LE(BigInt(node.mtime), offset + 32)
  metadata.writeUInt32LE(links, offset + 44)
  attributes.copy(metadata, offset + inodeBytes)
}

/** A head of 12 bytes, then for each attribute: length of name, prefix, length of value, name, value, up to a multiple of 4. */
function attributesOf({ attributes }: Inode): Buffer {
  if (attributes.size === 0) return Buffer.alloc(0)
  const entries = sortedNames(attributes.keys()).map((name) => {
    const prefix = [...attributePrefixes].find(([text]) => name.startsWith(text))
    if (prefix === undefined) throw new RangeError(`no place for the extended attribute ${name}`)
    const rest = Buffer.from(name.slice(prefix[0].length))
    const value = attributes.get(name) ?? Buffer.alloc(0)
    const entry = Buffer.alloc(roundUp(4 + rest.length + value.length, 4))
    entry.writeUInt8(rest.length, 0)
    entry.writeUInt8(prefix[1], 1)
    entry.writeUInt16LE(value.length, 2)
    rest.copy(entry, 4)
    entry.set(value, 4 + rest.length)
    return entry
  })
  return Buffer.concat([Buffer.alloc(attributesHeadBytes), ...entries])
}

function attributeUnits(attributes: Buffer): number {
  return attributes.length === 0 ? 0 : (attributes.length - attributesHeadBytes) / 4 + 1
}

function superblockOf(
  image: { readonly metadataBlock: number; readonly uuid: string; readonly epochSeconds: number },
  inodes: number,
  blocks: number,
): Buffer {
  const first = Buffer.alloc(blockBytes)
  const at = (offset: number) => superblockOffset + offset
  first.writeUInt32LE(magic, at(0))
  first.writeUInt8(Math.log2(blockBytes), at(12))
  // The root's number, at 14, is 0: it is the first inode.
  first.writeBigUInt64LE(BigInt(inodes), at(16))
  first.writeBigUInt64LE(BigInt(image.epochSeconds), at(24))
  first.writeUInt32LE(blocks, at(36))
  first.writeUInt32LE(image.metadataBlock, at(40))
  Buffer.from(image.uuid.replaceAll('-', ''), 'hex').copy(first, at(48))
  return first
}

function placedOf(places: ReadonlyMap<ImageNode, Placed>, node: ImageNode): Placed {
  const placed = places.get(node)
  if (placed === undefined) throw new RangeError('a node is not in the tree it was found in')
  return placed
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
