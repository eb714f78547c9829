import { join } from 'node:path'
import { z } from 'zod'
import { type Digest, isDigest, jsonOf, readTolerantly, slotNames } from '../core/index.ts'
import { whenThere } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { watchdogSecondsDefault, watchdogSecondsMax } from './limits.ts'

/** What a machine is; written once, when it is created. */
export const machineSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/),
  /** Where its releases come from, for people; the assignment names the repository that counts. */
  repository: z.string(),
  uuid: z.uuid(),
  bridge: z.string(),
  /** `10.97.0.2`, in a /24 whose .1 is the host. */
  address: z.ipv4(),
  gateway: z.ipv4(),
  /** A trial that is not up whole by then, beside what its health checks ask for, is ended. */
  watchdogSeconds: z.int().min(1).max(watchdogSecondsMax).default(watchdogSecondsDefault),
})
export type Machine = z.infer<typeof machineSchema>

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

/** What the launcher says of the machine that it runs. */
export const launcherStateSchema = z.strictObject({
  /** `checking`: hashes a slot before a boot; `off`: was stopped; `failed`: no slot can be run. */
  phase: z.enum(['checking', 'running', 'off', 'failed']),
  pid: z.int(),
  /** Field 22 of /proc/PID/stat: with it a process number that was given away again is not mistaken. */
  startTime: z.string(),
  running: z
    .strictObject({ slot: z.enum(slotNames), release: digest, install: z.int(), complete: z.boolean() })
    .optional(),
  boots: z.int(),
  /** Seconds from the end of the old userland (every process of it gone) until the new boot was complete. */
  lastOutageSeconds: z.number().optional(),
  /** Seconds that hashing the slot took before the last boot, and whether the old release still ran then. */
  lastCheck: z.strictObject({ seconds: z.number(), before: z.enum(['outage', 'boot']) }).optional(),
  why: z.string().optional(),
})
export type LauncherState = z.infer<typeof launcherStateSchema>

/** Where things are in a machine's folder. */
export function machinePaths(folder: string, name: string) {
  const home = join(folder, name)
  return {
    home,
    machine: join(home, 'machine.json'),
    /** Who is making it; goes when it is made. */
    maker: join(home, 'maker.json'),
    /** `machine.json` of one whose removal has begun. */
    removed: join(home, 'removed.json'),
    state: join(home, 'launcher.json'),
    launcherLog: join(home, 'launcher.log'),
    console: join(home, 'console.log'),
    enrolment: join(home, 'enrolment'),
    netns: join(home, 'netns'),
    mount: join(home, 'mnt'),
    var: join(home, 'var'),
    disk: join(home, 'disk'),
  }
}

/** @throws MachineError `machine-unknown`, `machine-malformed` */
export async function readMachine(sys: Sys, folder: string, name: string): Promise<Machine> {
  const where = machinePaths(folder, name).machine
  const text = await textOf(sys, where)
  if (text === undefined)
    throw new MachineError('machine-unknown', `there is no machine ${name}`, {
      where: folder,
      hint: 'ashlar machine list shows those that exist',
    })
  const machine = readTolerantly(machineSchema, jsonOf(text))
  if (machine.success) return machine.data
  throw new MachineError('machine-malformed', 'the description of the machine cannot be read', {
    where,
    hint: `remove the machine and create it anew: ashlar machine rm ${name} --yes`,
  })
}

/** What the launcher wrote last; undefined where none ever ran. It may be dead: see {@link isAlive}. */
export async function readLauncherState(sys: Sys, path: string): Promise<LauncherState | undefined> {
  const text = await textOf(sys, path)
  const state = text === undefined ? undefined : readTolerantly(launcherStateSchema, jsonOf(text))
  return state?.success ? state.data : undefined
}

/** Whether the very process that wrote the state still runs. */
export async function isAlive(sys: Sys, state: LauncherState | undefined): Promise<boolean> {
  return state !== undefined && (await startTimeOf(sys, state.pid)) === state.startTime
}

/** Field 22 of /proc/PID/stat (proc(5)), counted after the name in parentheses, which may hold blanks. */
export async function startTimeOf(sys: Sys, pid: number): Promise<string | undefined> {
  const stat = await textOf(sys, `/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended: only its parent has not asked yet.
  return fields?.[0] === 'Z' ? undefined : fields?.[19]
}

/**
 * Process number, on the host, of PID 1 inside: below the launcher, the one that is number 1 in a namespace of its own
 * (proc(5), NSpid). Undefined while the system is being started.
 */
export async function leaderOf(sys: Sys, launcher: number): Promise<number | undefined> {
  for (const nspawn of await childrenOf(sys, launcher))
    for (const child of await childrenOf(sys, nspawn)) {
      const status = await textOf(sys, `/proc/${child}/status`)
      if (/^NSpid:.*\t1$/m.test(status ?? '')) return child
    }
  return undefined
}

async function childrenOf(sys: Sys, pid: number): Promise<readonly number[]> {
  const children = await textOf(sys, `/proc/${pid}/task/${pid}/children`)
  return (children ?? '').split(' ').filter(Boolean).map(Number)
}

export async function machineNames(sys: Sys, folder: string): Promise<readonly string[]> {
  const names = (await whenThere(sys.disk.readdir(folder))) ?? []
  const found = await Promise.all(
    names.map(
      async (name) => (await whenThere(sys.disk.stat(machinePaths(folder, name).machine))) !== undefined,
    ),
  )
  return names.filter((_, index) => found[index]).toSorted()
}

/** Those whose description can be read: one that cannot must not keep the others from being used. */
export async function readableMachines(sys: Sys, folder: string): Promise<readonly Machine[]> {
  const machines: Machine[] = []
  for (const name of await machineNames(sys, folder)) {
    const machine = await readUnlessMalformed(sys, folder, name)
    if (machine !== undefined) machines.push(machine)
  }
  return machines
}

/** Undefined where the description cannot be read. @throws MachineError `machine-unknown` */
export async function readUnlessMalformed(
  sys: Sys,
  folder: string,
  name: string,
): Promise<Machine | undefined> {
  try {
    return await readMachine(sys, folder, name)
  } catch (error) {
    if (error instanceof MachineError && error.code === 'machine-malformed') return undefined
    throw error
  }
}

export function textOf(sys: Sys, path: string): Promise<string | undefined> {
  return whenThere(sys.disk.readFile(path, 'utf8'))
}
