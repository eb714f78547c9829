import { dirname, join, posix } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { BuildError } from './errors.ts'

export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export const rootFile: Attributes = { mode: 0o644, uid: 0, gid: 0 }
export const rootFolder: Attributes = { mode: 0o755, uid: 0, gid: 0 }

/** More links than this on one way are a circle; Linux stops at 40 too (path_resolution(7)). */
const linksMax = 40

/**
 * A tree that lies over others: writes go to `upper`, and a folder that the trees below have keeps their owner and mode.
 * Paths are the image's: a link in it leads to a place in the image, never out of it.
 */
export class LaidTree {
  readonly #sys: Sys
  readonly #upper: string
  readonly #lower: readonly string[]

  constructor(sys: Sys, upper: string, lower: readonly string[]) {
    this.#sys = sys
    this.#upper = upper
    this.#lower = lower
  }

  /** Follows every link on the way to `path` and at its end. What is not there is taken as it stands. */
  async #resolve(path: string): Promise<string> {
    let waiting = posix.normalize(path).split('/').filter(Boolean)
    let done = '/'
    let links = 0
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const here = posix.join(done, name)
      const target = await this.#linkTarget(here)
      if (target === undefined) {
        done = here
        continue
      }
      if (++links > linksMax) throw new BuildError('file-missing', 'links lead in a circle', { where: path })
      waiting = [...posix.resolve(done, target).split('/').filter(Boolean), ...waiting]
      done = '/'
    }
    return done
  }

  /** The file as the trees together show it; undefined where there is none. */
  async locate(path: string): Promise<string | undefined> {
    const resolved = await this.#resolve(path)
    for (const tree of [this.#upper, ...this.#lower]) {
      const file = join(tree, resolved)
      const there = await this.#sys.disk.lstat(file).catch(absent)
      if (there !== undefined) return file
    }
    return undefined
  }

  async readText(path: string): Promise<string | undefined> {
    const file = await this.locate(path)
    return file === undefined ? undefined : await this.#sys.disk.readFile(file, 'utf8')
  }

  /** Names in a folder, over all trees. */
  async list(path: string): Promise<readonly string[]> {
    const resolved = await this.#resolve(path)
    const names = new Set<string>()
    for (const tree of [this.#upper, ...this.#lower])
      for (const name of await this.#sys.disk.readdir(join(tree, resolved)).catch(() => [])) names.add(name)
    return [...names].toSorted()
  }

  /** Writes a file and, with `folder`, those folders on the way that are not there. */
  async writeFile(
    path: string,
    content: string | Uint8Array | AsyncIterable<Uint8Array>,
    attributes: Attributes = rootFile,
    folder: Attributes = rootFolder,
  ): Promise<void> {
    const file = await this.#place(path, folder)
    await this.#sys.disk.writeFile(file, content)
    await this.#setAttributes(file, attributes)
  }

  async writeLink(
    path: string,
    target: string,
    owner: Attributes = rootFile,
    folder = rootFolder,
  ): Promise<void> {
    const link = await this.#place(path, folder)
    await this.#sys.disk.symlink(target, link)
    await this.#sys.disk.lchown(link, owner.uid, owner.gid)
  }

  /** Makes a folder unless it is there. Every folder on the way is taken from the trees below, or made with `attributes`. */
  async ensureFolder(path: string, attributes: Attributes = rootFolder): Promise<string> {
    const resolved = await this.#resolve(path)
    let done = '/'
    for (const name of resolved.split('/').filter(Boolean)) {
      done = posix.join(done, name)
      const below = await this.#below(done)
      if (below !== undefined && !below.isDirectory())
        throw new BuildError('file-missing', `${done} is not a folder in the image`, { where: path })
      const made = await this.#sys.disk.mkdir(join(this.#upper, done)).then(() => true, isThere)
      if (made)
        await this.#setAttributes(
          join(this.#upper, done),
          below === undefined ? attributes : { mode: below.mode & 0o7777, uid: below.uid, gid: below.gid },
        )
    }
    return join(this.#upper, resolved)
  }

  async #place(path: string, folder: Attributes): Promise<string> {
    const parent = await this.ensureFolder(dirname(path), folder)
    const file = join(parent, posix.basename(path))
    const below = await this.#below(join('/', file.slice(this.#upper.length)))
    if (below?.isDirectory())
      throw new BuildError('file-missing', `${path} is a folder in the image`, { where: path })
    await this.#sys.disk.rm(file, { force: true })
    return file
  }

  async #setAttributes(file: string, { mode, uid, gid }: Attributes): Promise<void> {
    await this.#sys.disk.chown(file, uid, gid)
    await this.#sys.disk.chmod(file, mode)
  }

  async #linkTarget(path: string): Promise<string | undefined> {
    for (const tree of [this.#upper, ...this.#lower]) {
      const there = await this.#sys.disk.lstat(join(tree, path)).catch(absent)
      if (there !== undefined)
        return there.isSymbolicLink() ? await this.#sys.disk.readlink(join(tree, path)) : undefined
    }
    return undefined
  }

  async #below(path: string) {
    for (const tree of this.#lower) {
      const there = await this.#sys.disk.lstat(join(tree, path)).catch(absent)
      if (there !== undefined) return there
    }
    return undefined
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined
  throw error
}

function isThere(error: unknown): false {
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
  throw error
}
