import { join } from 'node:path'
import { NodeMemory } from '../agent/index.ts'
import { type CacheCheck, checkCache } from '../build/index.ts'
import { AshlarError, architectureOf, type Digest, type Finding, isDigest } from '../core/index.ts'
import { checkMachines, machinePaths } from '../machines/index.ts'
import { checkStore, type StoreFault } from '../oci/index.ts'
import { checkServer } from '../server/index.ts'
import { provenanceOf } from './build-record.ts'
import { buildCacheFolder, type Context } from './context.ts'
import { openSession } from './session.ts'

/** One of the places where Ashlar keeps things on this host, and how it was found. */
export interface CheckedPart {
  readonly name: string
  /** What was looked at, in a few words. */
  readonly looked: string
  readonly faults: readonly Finding[]
  /** What could not be looked at; no fault. */
  readonly notes: readonly Finding[]
  /** Where the part is, or has, a store. */
  readonly store?: CheckedStore
  /** What of the build cache is damaged. */
  readonly cache?: Pick<CacheCheck, 'good' | 'damaged'>
}

export interface CheckedStore {
  readonly folder: string
  readonly faults: readonly StoreFault[]
  readonly good: ReadonlyMap<Digest, number>
}

/** What an earlier check of the same run found good. */
export interface Known {
  /** Blobs, by the folder of their store. */
  readonly stores: ReadonlyMap<string, ReadonlyMap<Digest, number>>
  readonly cache: ReadonlySet<Digest>
}

/** Looks at all that this host keeps. Changes nothing. A place that was never used is left out. */
export async function checkHost(
  context: Context,
  serverFolder: string,
  known: Known,
): Promise<readonly CheckedPart[]> {
  const parts = [
    await checkLocalStore(context, known),
    await checkServerFolder(context, serverFolder, known),
    await checkBuildCache(context, known),
    await checkMachineFolders(context),
    await checkBuilds(context),
    await checkLogin(context),
  ]
  return parts.filter((part) => part !== undefined)
}

async function checkLocalStore(
  { sys, folders, progress, signal }: Context,
  known: Known,
): Promise<CheckedPart | undefined> {
  const folder = folders.store
  const startedMs = sys.clock.monotonicMs()
  const found = known.stores.get(folder)
  const options = { step: 'check local store', progress, signal, ...(found && { known: found }) }
  const { faults, good, bytesRead } = await checkStore(sys, folder, options)
  if (good.size === 0 && faults.length === 0) return undefined
  const looked = rate(good.size, 'blob', bytesRead, sys.clock.monotonicMs() - startedMs)
  return { name: 'local store', looked, faults, notes: [], store: { folder, faults, good } }
}

async function checkServerFolder(
  { sys, progress, signal }: Context,
  serverFolder: string,
  known: Known,
): Promise<CheckedPart | undefined> {
  const folder = join(serverFolder, 'store')
  const startedMs = sys.clock.monotonicMs()
  const found = known.stores.get(folder)
  const check = await checkServer(sys, serverFolder, { progress, signal, ...(found && { known: found }) })
  if (check === undefined) return undefined
  const { faults, notes, store } = check
  const looked = rate(store.good.size, 'blob', store.bytesRead, sys.clock.monotonicMs() - startedMs)
  return {
    name: 'server',
    looked: notes.length === 0 ? `database, keys, ${looked}` : `keys, ${looked}`,
    faults: [...faults, ...store.faults],
    notes,
    store: { folder, faults: store.faults, good: store.good },
  }
}

async function checkBuildCache(
  { sys, folders, progress, signal }: Context,
  known: Known,
): Promise<CheckedPart | undefined> {
  const startedMs = sys.clock.monotonicMs()
  const options = { known: known.cache, step: 'check build cache', progress, signal }
  const { good, damaged, bytesRead } = await checkCache(sys, buildCacheFolder(folders), options)
  if (good.size === 0 && damaged.length === 0) return undefined
  const faults = damaged.map(({ what, path }) => ({
    code: 'cache-damaged',
    message: `${what} is not what it was made as; no build uses it`,
    ...{ where: path, hint: 'ashlar fsck --mend --yes removes it; the next build makes it again' },
  }))
  const looked = rate(good.size, 'entry', bytesRead, sys.clock.monotonicMs() - startedMs)
  return { name: 'build cache', looked, faults, notes: [], cache: { good, damaged } }
}

async function checkMachineFolders({
  sys,
  folders,
  progress,
  signal,
}: Context): Promise<CheckedPart | undefined> {
  const architecture = architectureOf(process.arch)
  const checks = await checkMachines(sys, folders.machines, { architecture, progress, signal })
  if (checks.length === 0) return undefined
  const faults = checks.flatMap((check) => check.faults)
  for (const { name } of checks) {
    const paths = machinePaths(folders.machines, name)
    faults.push(
      ...(await new NodeMemory(sys, { state: join(paths.var, 'lib/ashlar'), disk: paths.disk }).faults()),
    )
  }
  return { name: 'machines', looked: `${checks.map(({ name }) => name).join(', ')}`, faults, notes: [] }
}

/** What builds left to be signed: read as `ashlar sign` would. */
async function checkBuilds(context: Context): Promise<CheckedPart | undefined> {
  const { sys, folders } = context
  const folder = join(folders.data, 'builds')
  const names = await sys.disk.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const faults: Finding[] = []
  for (const name of names) {
    const digest = `sha256:${name.replace(/\.json$/, '')}`
    if (!isDigest(digest)) continue
    const where = join(folder, name)
    const fault = await faultOf(() => provenanceOf(context, digest))
    if (fault !== undefined)
      faults.push({
        ...fault,
        where,
        hint: `remove it and build the release again: rm ${where}; ashlar build FOLDER`,
      })
  }
  return names.length === 0
    ? undefined
    : { name: 'builds', looked: `${names.length} records`, faults, notes: [] }
}

async function checkLogin(context: Context): Promise<CheckedPart | undefined> {
  const fault = await faultOf(() => openSession(context))
  if (fault?.code === 'not-logged-in') return undefined
  return { name: 'login', looked: 'address and token', faults: fault === undefined ? [] : [fault], notes: [] }
}

async function faultOf(read: () => Promise<unknown>): Promise<Finding | undefined> {
  try {
    await read()
    return undefined
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error
    const { code, message, where, hint } = error
    return { code, message, where, hint }
  }
}

const plurals = { blob: 'blobs', entry: 'entries' }

function rate(good: number, what: keyof typeof plurals, bytes: number, ms: number): string {
  const count = `${good} ${good === 1 ? what : plurals[what]}`
  if (bytes === 0) return count
  return `${count}, ${(bytes / 1e6).toFixed(1)} MB at ${(bytes / 1e3 / Math.max(ms, 1)).toFixed(0)} MB/s`
}
