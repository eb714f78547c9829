import { z } from 'zod'
import { jsonOf, readTolerantly } from '../core/index.ts'
import { whenThere } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { type Machine, machinePaths, machineSchema, startTimeOf, textOf } from './machine-folder.ts'
import { disconnectMachine } from './network.ts'

/** Who is making a machine: that process, and no other that was given its number since. */
const makerSchema = z.strictObject({ pid: z.int(), startTime: z.string() })

/** Notes in a machine's folder that this process is making it. */
export async function noteMaker(sys: Sys, path: string): Promise<void> {
  const startTime = await startTimeOf(sys, process.pid)
  await sys.disk.writeDurably(path, JSON.stringify({ pid: process.pid, startTime: startTime ?? '' }))
}

async function isMaking(sys: Sys, path: string): Promise<boolean> {
  const maker = makerSchema.safeParse(jsonOf((await textOf(sys, path)) ?? ''))
  return maker.success && (await startTimeOf(sys, maker.data.pid)) === maker.data.startTime
}

/** @throws MachineError `machine-exists` where another process is making a machine of this name */
export async function requireNobodyMakes(sys: Sys, folder: string, name: string): Promise<void> {
  const { maker, home } = machinePaths(folder, name)
  if (await isMaking(sys, maker))
    throw new MachineError('machine-exists', `another command is making a machine ${name} now`, {
      where: home,
      hint: 'wait for it, or choose another name',
    })
}

/**
 * Takes away what killed commands left: machines that were never made whole, and those whose removal had begun. Each
 * command that changes machines begins with it.
 */
export async function removeLeftovers(sys: Sys, folder: string): Promise<void> {
  for (const name of (await whenThere(sys.disk.readdir(folder))) ?? []) {
    const paths = machinePaths(folder, name)
    if ((await whenThere(sys.disk.lstat(paths.machine))) !== undefined)
      await sys.disk.removeUnfinished(paths.home, { shared: true })
    else if (!(await isMaking(sys, paths.maker)) && !(await isHeld(sys, paths.home)))
      await finishRemoval(sys, folder, name)
  }
}

/** The network first: what it was is written in the folder. */
export async function finishRemoval(sys: Sys, folder: string, name: string): Promise<void> {
  const paths = machinePaths(folder, name)
  const machine: Machine | undefined = readTolerantly(
    machineSchema,
    jsonOf((await textOf(sys, paths.removed)) ?? ''),
  ).data
  if (machine !== undefined) await disconnectMachine(sys, machine)
  await sys.disk.rm(paths.home, { recursive: true, force: true })
}

/**
 * Whether a launcher holds the machine's folder: a lock that the kernel takes away with the launcher, however it ends.
 * It is there before the launcher has said anything.
 */
export async function isHeld(sys: Sys, home: string): Promise<boolean> {
  const { exitCode } = await sys.exec.run('flock', [
    '--nonblock',
    '--conflict-exit-code',
    String(heldExitCode),
    home,
    'true',
  ])
  return exitCode === heldExitCode
}

/** What runs the launcher, so that the folder is its own. */
export function holding(home: string): readonly string[] {
  return ['flock', '--nonblock', '--no-fork', '--conflict-exit-code', String(heldExitCode), home]
}

/** Of no program that is run under the lock. */
export const heldExitCode = 75
