import { join } from 'node:path'
import { type Digest, digestHex } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { digestOf, readOptional } from './definition-file.ts'

/**
 * What a build can make again, by the digest of all it was made from. A tree or record appears whole, by a rename, or
 * not at all.
 */
export interface Cache {
  /** The folder of a tree; `make` fills an empty one where there is none yet. */
  tree(key: Digest, make: (folder: string) => Promise<void>): Promise<string>
  /** A small result as JSON; `make` is asked where there is none, or `holds` finds that it no longer stands. */
  record<T>(key: Digest, make: () => Promise<T>, holds?: (value: T) => Promise<boolean>): Promise<T>
  /** An empty folder that is removed with {@link Cache.close}. */
  scratch(name: string): Promise<string>
  close(): Promise<void>
}

/** The key of what is made from these parts. `recipe` names the code that makes it, and grows when that changes. */
export function cacheKey(recipe: string, parts: unknown): Digest {
  return digestOf(JSON.stringify([recipe, parts]))
}

export async function openCache(sys: Sys, folder: string, use: boolean): Promise<Cache> {
  const trees = join(folder, 'trees')
  const records = join(folder, 'records')
  for (const path of [trees, records]) await sys.disk.mkdir(path, { recursive: true, mode: 0o700 })
  const work = await makeWorkFolder(sys, join(folder, 'work'))
  const scratch = async (name: string) => {
    const path = join(work, name)
    await removeTree(sys, path)
    await sys.disk.mkdir(path, { mode: 0o755 })
    await sys.disk.chmod(path, 0o755)
    return path
  }
  const makeTree = async (key: Digest, make: (folder: string) => Promise<void>) => {
    const path = join(trees, digestHex(key))
    if (use && (await exists(sys, path))) return path
    const made = await scratch(digestHex(key))
    await make(made)
    // A tree that is found under its name must be whole, also after a power cut.
    await sys.exec.run('sync', ['--file-system', made])
    await removeTree(sys, path)
    await sys.disk.rename(made, path)
    return path
  }
  const asked = new Map<Digest, Promise<string>>()
  return {
    scratch,
    close: () => removeTree(sys, work),
    tree(key, make) {
      const tree = asked.get(key) ?? makeTree(key, make)
      asked.set(key, tree)
      return tree
    },
    async record(key, make, holds = async () => true) {
      const path = join(records, `${digestHex(key)}.json`)
      const kept = use ? await readOptional(sys, path) : undefined
      if (kept !== undefined) {
        const value = JSON.parse(new TextDecoder().decode(kept)) as Awaited<ReturnType<typeof make>>
        if (await holds(value)) return value
      }
      const value = await make()
      await sys.disk.writeDurably(path, JSON.stringify(value))
      return value
    },
  }
}

/** A folder of this process; those of processes that are gone are removed. */
async function makeWorkFolder(sys: Sys, folder: string): Promise<string> {
  await sys.disk.mkdir(folder, { recursive: true, mode: 0o700 })
  for (const name of await sys.disk.readdir(folder)) {
    const pid = Number(name.split('.')[0])
    if (!sys.exec.kill(pid, 0)) await removeTree(sys, join(folder, name))
  }
  return await sys.disk.mkdtemp(join(folder, `${process.pid}.`))
}

function removeTree(sys: Sys, path: string): Promise<void> {
  return sys.disk.rm(path, { recursive: true, force: true })
}

async function exists(sys: Sys, path: string): Promise<boolean> {
  return await sys.disk.access(path).then(
    () => true,
    () => false,
  )
}
