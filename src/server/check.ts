import { join } from 'node:path'
import type { Finding, Progress } from '../core/index.ts'
import { checkStore, type StoreCheck } from '../oci/index.ts'
import { checkDatabase, type DatabaseCheck, StoreError } from '../store/index.ts'
import type { Sys } from '../sys/index.ts'
import { ServerError } from './errors.ts'
import { readAuthority } from './tls.ts'

/** What is wrong in a server's data folder. */
export interface ServerCheck {
  readonly faults: readonly Finding[]
  /** What could not be looked at, and why; no fault by itself. */
  readonly notes: readonly Finding[]
  readonly store: StoreCheck
}

/**
 * Checks the folder of a server, and changes nothing. While a server runs on it the database is its own, and only the
 * blobs and keys are looked at. Undefined where no server ever was.
 */
export async function checkServer(
  sys: Sys,
  folder: string,
  options: {
    readonly known?: StoreCheck['good']
    readonly progress: Progress
    readonly signal?: AbortSignal
  },
): Promise<ServerCheck | undefined> {
  const path = join(folder, 'ashlar.db')
  const names: readonly string[] = await sys.disk.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (names.length === 0) return undefined
  const notes: Finding[] = []
  const database = names.includes('ashlar.db') ? readDatabase(path, notes) : { faults: [], blobs: [] }
  const store = await checkStore(sys, join(folder, 'store'), {
    ...options,
    step: 'check server store',
    expected: database.blobs,
  })
  const faults = [
    ...database.faults,
    ...(await checkAuthority(sys, folder)),
    ...leftovers(folder, names, notes),
  ]
  return { faults, notes, store }
}

function readDatabase(path: string, notes: Finding[]): DatabaseCheck {
  try {
    return checkDatabase(path)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'database-in-use') throw error
    notes.push({
      code: 'database-in-use',
      message: 'a server runs here: its database was not looked at',
      where: path,
      hint: 'end it and run ashlar fsck again to have all of it checked',
    })
    return { faults: [], blobs: [] }
  }
}

/** Half-written files of a killed server, keys among them. While one runs they may be its own. */
function leftovers(folder: string, names: readonly string[], notes: readonly Finding[]): readonly Finding[] {
  if (notes.some(({ code }) => code === 'database-in-use')) return []
  return names
    .filter((name) => /\.[0-9a-f]{16}\.tmp$/.test(name))
    .map((name) => ({
      code: 'leftover',
      message: 'a server that was killed left it half-written; it may hold a key',
      where: join(folder, name),
      hint: `rm ${join(folder, name)}`,
    }))
}

/** A server on loopback has no authority. */
async function checkAuthority(sys: Sys, folder: string): Promise<readonly Finding[]> {
  try {
    await readAuthority(sys, folder)
    return []
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    const { code, message, where, hint } = error
    return [{ code, message, where, hint }]
  }
}
