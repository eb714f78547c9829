import { dirname, join, posix } from 'node:path'
import { whenThere } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import type { ImageTree } from '../image/index.ts'

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
 * A tree that lies over an image: writes go to `upper`, and a folder that the image has keeps its owner and mode.
 * Paths are the image's: a link in it leads to a place in the image, never out of it.
 */
export class LaidTree {
  readonly #sys: Sys
  readonly #upper: string
  readonly #lower: ImageTree | undefined

  constructor(sys: Sys, upper: string, lower?: ImageTree) {
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

  /** The file as both together show it; undefined where there is none. */
  async readText(path: string): Promise<string | undefined> {
    const resolved = await this.#resolve(path)
    const file = join(this.#upper, resolved)
    if ((await whenThere(this.#sys.disk.lstat(file))) !== undefined)
      return await this.#sys.disk.readFile(file, 'utf8')
    const below = this.#lower?.find(resolved)
    if (below?.kind !== 'file') return undefined
    return new TextDecoder().decode(await this.#lower?.read(below))
  }

  /** Names in a folder, of both. */
  async list(path: string): Promise<readonly string[]> {
    const resolved = await this.#resolve(path)
    const own = await whenThere(this.#sys.disk.readdir(join(this.#upper, resolved)))
    return [...new Set([...(own ?? []), ...(this.#lower?.names(resolved) ?? [])])].toSorted()
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

  /** Makes a folder unless it is there. Every folder on the way is taken from the image, or made with `attributes`. */
  async ensureFolder(path: string, attributes: Attributes = rootFolder): Promise<string> {
    const resolved = await this.#resolve(path)
    let done = '/'
    for (const name of resolved.split('/').filter(Boolean)) {
      done = posix.join(done, name)
      const below = this.#lower?.find(done)
      if (below !== undefined && below.kind !== 'folder')
        throw new BuildError('file-missing', `${done} is not a folder in the image`, { where: path })
      const made = await this.#sys.disk.mkdir(join(this.#upper, done)).then(() => true, isThere)
      if (made) await this.#setAttributes(join(this.#upper, done), below ?? attributes)
    }
    return join(this.#upper, resolved)
  }

  async #place(path: string, folder: Attributes): Promise<string> {
    const parent = await this.ensureFolder(dirname(path), folder)
    const file = join(parent, posix.basename(path))
    if (this.#lower?.find(file.slice(this.#upper.length))?.kind === 'folder')
      throw new BuildError('file-missing', `${path} is a folder in the image`, { where: path })
    await this.#sys.disk.rm(file, { force: true })
    return file
  }

  async #setAttributes(file: string, { mode, uid, gid }: Attributes): Promise<void> {
    await this.#sys.disk.chown(file, uid, gid)
    await this.#sys.disk.chmod(file, mode)
  }

  async #linkTarget(path: string): Promise<string | undefined> {
    const file = join(this.#upper, path)
    const own = await whenThere(this.#sys.disk.lstat(file))
    if (own !== undefined) return own.isSymbolicLink() ? await this.#sys.disk.readlink(file) : undefined
    const below = this.#lower?.find(path)
    return below?.kind === 'link' ? below.target : undefined
  }
}

function isThere(error: unknown): false {
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
  throw error
}
