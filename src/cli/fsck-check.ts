import { join } from 'node:path'
import { NodeMemory } from '../agent/index.ts'
import { AshlarError, architectureOf, type Digest, type Finding, isDigest } from '../core/index.ts'
import { checkMachines, machinePaths } from '../machines/index.ts'
import { checkStore, type StoreFault } from '../oci/index.ts'
import { checkServer } from '../server/index.ts'
import { provenanceOf } from './build-record.ts'
import type { Context } from './context.ts'
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
}

export interface CheckedStore {
  readonly folder: string
  readonly faults: readonly StoreFault[]
  readonly good: ReadonlyMap<Digest, number>
}

/** Blobs that an earlier check of the same run found good, by the folder of their store. */
export type Known = ReadonlyMap<string, ReadonlyMap<Digest, number>>

/** Looks at all that this host keeps. Changes nothing. A place that was never used is left out. */
export async function checkHost(
  context: Context,
  serverFolder: string,
  known: Known,
): Promise<readonly CheckedPart[]> {
  const parts = [
    await checkLocalStore(context, known),
    await checkServerFolder(context, serverFolder, known),
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
  const found = known.get(folder)
  const options = { step: 'check local store', progress, signal, ...(found && { known: found }) }
  const { faults, good, bytesRead } = await checkStore(sys, folder, options)
  if (good.size === 0 && faults.length === 0) return undefined
  const looked = rate(good.size, bytesRead, sys.clock.monotonicMs() - startedMs)
  return { name: 'local store', looked, faults, notes: [], store: { folder, faults, good } }
}

async function checkServerFolder(
  { sys, progress, signal }: Context,
  serverFolder: string,
  known: Known,
): Promise<CheckedPart | undefined> {
  const folder = join(serverFolder, 'store')
  const startedMs = sys.clock.monotonicMs()
  const found = known.get(folder)
  const check = await checkServer(sys, serverFolder, { progress, signal, ...(found && { known: found }) })
  if (check === undefined) return undefined
  const { faults, notes, store } = check
  const looked = rate(store.good.size, store.bytesRead, sys.clock.monotonicMs() - startedMs)
  return {
    name: 'server',
    looked: notes.length === 0 ? `database, keys, ${looked}` : `keys, ${looked}`,
    faults: [...faults, ...store.faults],
    notes,
    store: { folder, faults: store.faults, good: store.good },
  }
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

function rate(blobs: number, bytes: number, ms: number): string {
  const count = `${blobs} ${blobs === 1 ? 'blob' : 'blobs'}`
  if (bytes === 0) return count
  return `${count}, ${(bytes / 1e6).toFixed(1)} MB at ${(bytes / 1e3 / Math.max(ms, 1)).toFixed(0)} MB/s`
}
