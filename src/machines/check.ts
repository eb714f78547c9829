import { join } from 'node:path'
import {
  type Architecture,
  AshlarError,
  type Digest,
  type Finding,
  type Progress,
  type SlotName,
  shortDigest,
  slotNames,
} from '../core/index.ts'
import {
  diskPath,
  isDiskFault,
  parseEntryName,
  readDiskFolder,
  requireFolders,
  whenThere,
} from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { SlotChecker } from './launcher/slot-check.ts'
import { isAlive, machinePaths, readLauncherState, readMachine } from './machine-folder.ts'

/** What is wrong in the folder of one machine. */
export interface MachineCheck {
  readonly name: string
  readonly running: boolean
  readonly faults: readonly Finding[]
}

export interface CheckOptions {
  readonly architecture: Architecture
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/**
 * Looks at each machine of this host as its launcher would before a boot: description, disk folders, boot entries, and
 * for each slot that says it is whole, image and proof. Changes nothing, and may run while machines do.
 */
export async function checkMachines(
  sys: Sys,
  folder: string,
  options: CheckOptions,
): Promise<readonly MachineCheck[]> {
  const checks: MachineCheck[] = []
  for (const name of ((await whenThere(sys.disk.readdir(folder))) ?? []).toSorted()) {
    const state = await readLauncherState(sys, machinePaths(folder, name).state)
    const faults = await faultsOf(sys, folder, name, options)
    checks.push({ name, running: await isAlive(sys, state), faults })
  }
  return checks
}

async function faultsOf(
  sys: Sys,
  folder: string,
  name: string,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const { disk, home } = machinePaths(folder, name)
  try {
    await readMachine(sys, folder, name)
    await requireFolders(sys.disk, disk)
    return [...(await checkEntries(sys, disk)), ...(await checkSlots(sys, name, disk, options))]
  } catch (error) {
    if (error instanceof MachineError && error.code === 'machine-unknown')
      return [
        {
          code: 'machine-half-made',
          message: `${name} was never made whole, or not wholly removed`,
          ...{ where: home, hint: 'the next ashlar machine create, start or rm takes it away' },
        },
      ]
    if (error instanceof AshlarError)
      return [
        { code: error.code, message: error.message, where: error.where, hint: error.hint ?? anew(name) },
      ]
    if (!isDiskFault(error)) throw error
    return [{ code: 'disk-unreadable', message: error.message, where: home, hint: anew(name) }]
  }
}

/** A boot loader passes over what it cannot read; here it is said. */
async function checkEntries(sys: Sys, disk: string): Promise<readonly Finding[]> {
  const { entries } = await readDiskFolder(sys.disk, disk)
  const names = await sys.disk.readdir(join(disk, diskPath.entries))
  const lost = names.filter((name) => {
    const entry = parseEntryName(name)
    return entry !== undefined && !entries.some(({ install }) => install === entry.install)
  })
  const faults: Finding[] = lost.map((name) => ({
    code: 'entry-unreadable',
    message: `the boot entry ${name} does not name a slot and a release; it is never booted`,
    where: join(disk, diskPath.entry(name)),
    hint: 'order the release again: ashlar rollout start FLEET DIGEST',
  }))
  if (entries.length > 0) return faults
  return [...faults, { code: 'entry-missing', message: 'no boot entry is left', where: disk }]
}

async function checkSlots(
  sys: Sys,
  name: string,
  disk: string,
  { architecture, progress, signal }: CheckOptions,
): Promise<readonly Finding[]> {
  const checker = new SlotChecker(sys, disk, architecture)
  const slots = await wholeSlots(sys, disk)
  const total = slots.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let done = 0
  const advance = (bytes: number) => {
    signal?.throwIfAborted()
    done += bytes
    progress({ step: `check slots of ${name}`, done, total: Math.max(done, total), unit: 'bytes' })
  }
  const faults: Finding[] = []
  for (const { slot, release } of slots) {
    const check = await checker.check(slot, release, advance)
    if (check.is === 'good') continue
    const { code, message } = check.reason
    faults.push({
      ...{ code, message: `${message} (release ${shortDigest(release)})`, where: join(disk, slot) },
      hint: 'while the other slot is good the node runs from there; order the release again: ashlar rollout start FLEET DIGEST',
    })
  }
  return faults
}

interface WholeSlot {
  readonly slot: SlotName
  readonly release: Digest
  /** Of its root image. */
  readonly sizeBytes: number
}

/** Not an empty slot, nor one that is just being filled. */
async function wholeSlots(sys: Sys, disk: string): Promise<readonly WholeSlot[]> {
  const { entries, held } = await readDiskFolder(sys.disk, disk)
  const slots: WholeSlot[] = []
  for (const slot of slotNames) {
    const release = entries.find((entry) => entry.slot === slot)?.digest ?? held[slot]
    if (release === undefined) continue
    const root = await whenThere(sys.disk.stat(join(disk, diskPath.root(slot))))
    slots.push({ slot, release, sizeBytes: root?.size ?? 0 })
  }
  return slots
}

function anew(name: string): string {
  return `remove the machine and create it anew: ashlar machine rm ${name} --yes`
}
