import { join } from 'node:path'
import { whenThere } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { finishRemoval, heldExitCode, holding, isHeld, removeLeftovers } from './leftovers.ts'
import { endingMs, launcherEndMs, pollMs, powerOffMs, startMs, stateBytes } from './limits.ts'
import {
  isAlive,
  type LauncherState,
  leaderOf,
  type Machine,
  machineNames,
  machinePaths,
  readableMachines,
  readLauncherState,
  readMachine,
  readUnlessMalformed,
} from './machine-folder.ts'
import { defaultNetwork, removeIdleBridge } from './network.ts'

export interface MachineAt {
  readonly sys: Sys
  /** `ASHLAR_DATA/machines` */
  readonly folder: string
  readonly name: string
}

export interface MachineStatus {
  readonly machine: Machine
  /** Undefined where the machine was never started. */
  readonly state: LauncherState | undefined
  readonly running: boolean
}

/** The launcher beside this file: in a clone the source, in a shipped tree its bundle. */
const launcherFile = join(
  import.meta.dirname,
  import.meta.filename.endsWith('.ts') ? 'launcher/main.ts' : 'launcher.js',
)

/**
 * Starts a machine and returns when its system runs (its boot need not be complete). The launcher outlives the caller.
 * `node` is the Node binary that runs it. @throws MachineError `machine-running`, `machine-failed`, `machine-unknown`
 */
export async function startMachine(
  at: MachineAt & { readonly node: string; readonly signal?: AbortSignal },
): Promise<LauncherState> {
  const { sys, folder, name } = at
  const paths = machinePaths(folder, name)
  await removeLeftovers(sys, folder)
  // Held also by a launcher that has not said anything yet, or whose last processes are just being ended.
  const free = async () => ((await isHeld(sys, paths.home)) ? undefined : true)
  if ((await statusOf(at)).running || !(await waitFor(sys, endingMs, free))) throw alreadyRunning(name)
  // A full disk is told here: a launcher that cannot write could not say it.
  await sys.disk.writeDurably(paths.state, ' '.repeat(stateBytes))
  await sys.disk.rm(paths.state, { force: true })
  // Namespaces of its own: when the launcher ends, however it ends, the kernel ends all that it started (it is the
  // first process of its PID namespace) and takes away all that it mounted.
  const [flock = '', ...lock] = holding(paths.home)
  const launcher = await sys.exec.spawn(
    flock,
    [
      ...lock,
      'unshare',
      '--mount',
      '--propagation=private',
      '--pid',
      '--fork',
      '--kill-child',
      '--',
      at.node,
      launcherFile,
      folder,
      name,
    ],
    { detached: true, output: { file: paths.launcherLog } },
  )
  let ended: number | undefined
  void launcher.exited.then(({ exitCode }) => {
    ended = exitCode
  })
  const state = await waitFor(sys, startMs, async () => {
    // Whoever is not waited for any more is not left half started: the kernel takes all of it away.
    if (at.signal?.aborted) launcher.kill('SIGKILL')
    const said = await readLauncherState(sys, paths.state)
    return ended !== undefined || said?.phase === 'running' || said?.phase === 'failed'
      ? (said ?? 'ended')
      : undefined
  })
  at.signal?.throwIfAborted()
  if (typeof state === 'object' && state.phase === 'running') return state
  if (ended === heldExitCode) throw alreadyRunning(name)
  throw new MachineError('machine-failed', `machine ${name} did not start${whyOf(state)}`, {
    where: paths.launcherLog,
    hint: `read ${paths.launcherLog} and ${paths.console}`,
  })
}

function alreadyRunning(name: string): MachineError {
  return new MachineError('machine-running', `machine ${name} runs already`, {
    hint: `ashlar machine console ${name}`,
  })
}

/** Powers a machine off; kills what does not end in time. Does nothing to one that does not run. */
export async function stopMachine({ sys, folder, name }: MachineAt): Promise<void> {
  const { state: path, home } = machinePaths(folder, name)
  const state = await launcherOf(sys, path, home)
  if (state === undefined) return
  sys.exec.kill(state.pid, 'SIGTERM')
  const gone = () => isAlive(sys, state).then((alive) => (alive ? undefined : true))
  if ((await waitFor(sys, powerOffMs + launcherEndMs, gone)) !== undefined) return
  // Its system dies with it: it was started to do so.
  sys.exec.kill(state.pid, 'SIGKILL')
  await waitFor(sys, launcherEndMs, gone)
}

/** What runs the machine, if anything does. Whoever started it may have been killed before it said who it is. */
async function launcherOf(sys: Sys, path: string, home: string): Promise<LauncherState | undefined> {
  const found = await waitFor(sys, launcherEndMs, async () => {
    const state = await readLauncherState(sys, path)
    if (await isAlive(sys, state)) return state
    return (await isHeld(sys, home)) ? undefined : 'nobody'
  })
  return found === 'nobody' ? undefined : found
}

/**
 * Stops a machine and removes all that it was; the bridge too, when it was the last one there. A removal that was
 * killed is gone on with by the next command.
 */
export async function removeMachine(at: MachineAt): Promise<void> {
  const { sys, folder, name } = at
  const paths = machinePaths(folder, name)
  await removeLeftovers(sys, folder)
  const machine = await readUnlessMalformed(sys, folder, name)
  await stopMachine(at)
  // From here on it is no machine any more.
  await sys.disk.rename(paths.machine, paths.removed)
  await finishRemoval(sys, folder, name)
  // Where it hung is not known: the kernel took its link away, and the bridge may have been left with none.
  if (machine === undefined) await removeIdleBridge(sys, defaultNetwork.bridge)
}

export async function statusOf({ sys, folder, name }: MachineAt): Promise<MachineStatus> {
  const machine = await readMachine(sys, folder, name)
  const state = await readLauncherState(sys, machinePaths(folder, name).state)
  return { machine, state, running: await isAlive(sys, state) }
}

export async function listMachines({
  sys,
  folder,
}: Omit<MachineAt, 'name'>): Promise<readonly MachineStatus[]> {
  const machines = await readableMachines(sys, folder)
  return Promise.all(machines.map(({ name }) => statusOf({ sys, folder, name })))
}

/** Names of those whose description cannot be read; they can only be removed. */
export async function damagedMachines({ sys, folder }: Omit<MachineAt, 'name'>): Promise<readonly string[]> {
  const machines = await readableMachines(sys, folder)
  return (await machineNames(sys, folder)).filter((name) => !machines.some((known) => known.name === name))
}

/** The last bytes that the machine wrote to its console. */
export async function consoleText({ sys, folder, name }: MachineAt, bytesMax = 64 * 1024): Promise<string> {
  await readMachine(sys, folder, name)
  const text = await whenThere(sys.disk.readFile(machinePaths(folder, name).console))
  return (text ?? Buffer.alloc(0)).subarray(-bytesMax).toString('utf8')
}

/**
 * The program and arguments that run a command inside a running machine, as its root: for a shell on a terminal, and
 * for looking from outside. @throws MachineError `machine-not-running`
 */
export async function insideMachine(at: MachineAt, command: readonly string[]): Promise<readonly string[]> {
  const { state, running } = await statusOf(at)
  const leader = running && state !== undefined ? await leaderOf(at.sys, state.pid) : undefined
  if (leader === undefined)
    throw new MachineError('machine-not-running', `machine ${at.name} does not run`, {
      hint: `ashlar machine start ${at.name}`,
    })
  return [
    'nsenter',
    '--target',
    String(leader),
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    // The root of a mount namespace need not be the machine's: below a chroot it is the host's.
    '--root',
    '--wd',
    '--',
    ...command,
  ]
}

function whyOf(state: LauncherState | 'ended' | undefined): string {
  if (state === undefined) return ` within ${startMs / 1_000} s`
  return typeof state === 'object' && state.why !== undefined ? `: ${state.why}` : ''
}

/** Asks again and again until there is an answer; undefined when the time is over. */
async function waitFor<T>(sys: Sys, ms: number, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  const until = sys.clock.monotonicMs() + ms
  while (sys.clock.monotonicMs() < until) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await sys.clock.sleep(pollMs)
  }
  return undefined
}
