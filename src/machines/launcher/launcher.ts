import { join } from 'node:path'
import { type Architecture, type Reason, shortDigest } from '../../core/index.ts'
import {
  chooseEntry,
  countDown,
  type DiskFolder,
  diskPath,
  markBad,
  readDiskFolder,
  renameEntry,
  type SlotEntry,
  writeWhy,
} from '../../disk/index.ts'
import type { RunningProcess, Sys } from '../../sys/index.ts'
import { command } from '../command.ts'
import { crashesMax, crashPauseMs, powerOffMs } from '../limits.ts'
import { type LauncherState, type Machine, machinePaths, startTimeOf } from '../machine-folder.ts'
import { connectMachine } from '../network.ts'
import { type BootFacts, bootSystem, exitReboot, mountRoot, unmountRoot } from './boot.ts'
import { type SlotCheck, SlotChecker } from './slot-check.ts'
import { followTalk } from './talk.ts'

/** This process as the host knows it: /proc is still the host's, and answers with the host's numbers. */
async function whoAmI(sys: Sys): Promise<Pick<LauncherState, 'pid' | 'startTime'>> {
  const pid = Number(await sys.disk.readlink('/proc/self'))
  return { pid, startTime: (await startTimeOf(sys, pid)) ?? '' }
}

export interface LauncherOptions {
  readonly sys: Sys
  readonly folder: string
  readonly machine: Machine
  readonly architecture: Architecture
  /** Aborts when the machine is to be powered off. */
  readonly stop: AbortSignal
  readonly log: (line: string) => void
}

/**
 * The firmware of one machine: chooses a boot entry, checks its slot, counts the try down, runs the system, and begins
 * again when that asks for a reboot. Returns when the machine is off.
 */
export class Launcher {
  readonly #options: LauncherOptions
  readonly #paths: ReturnType<typeof machinePaths>
  readonly #checker: SlotChecker
  #state: LauncherState
  /** When the old userland had ended, while a reboot is under way. */
  #endedMs: number | undefined
  #crashes = 0
  #noted: Promise<void> = Promise.resolve()

  private constructor(options: LauncherOptions, self: Pick<LauncherState, 'pid' | 'startTime'>) {
    this.#options = options
    this.#paths = machinePaths(options.folder, options.machine.name)
    this.#checker = new SlotChecker(options.sys, this.#paths.disk, options.architecture)
    this.#state = { phase: 'checking', ...self, boots: 0 }
  }

  static async run(options: LauncherOptions): Promise<void> {
    const launcher = new Launcher(options, await whoAmI(options.sys))
    try {
      await launcher.#run()
    } catch (error) {
      await launcher.#note({ phase: 'failed', why: error instanceof Error ? error.message : String(error) })
      throw error
    }
  }

  async #run(): Promise<void> {
    const { sys, machine, stop } = this.#options
    await this.#note({})
    // From here on the numbers in /proc are those of this PID namespace, as systemd-nspawn needs them.
    await command(sys, 'mount', '-t', 'proc', 'proc', '/proc')
    await connectMachine(sys, machine, this.#paths.netns)
    for (;;) {
      const chosen = await this.#choose()
      if (stop.aborted) return this.#note({ phase: 'off' })
      if (chosen === undefined)
        return this.#note({ phase: 'failed', why: 'no slot holds an image that may be run' })
      const exitCode = await this.#boot(chosen.entry, chosen.root)
      this.#endedMs = sys.clock.monotonicMs()
      if (stop.aborted || exitCode === 0) return this.#note({ phase: 'off' })
      if (exitCode !== exitReboot && !(await this.#mayGoOn(exitCode))) return
    }
  }

  /** The first entry in boot order whose slot is unaltered. An altered one is marked bad, with the reason, and never run. */
  async #choose(): Promise<{ readonly entry: SlotEntry; readonly root: BootFacts['root'] } | undefined> {
    await this.#note({ phase: 'checking' })
    const { entries } = await this.#readDisk()
    let left = entries
    for (;;) {
      const entry = chooseEntry(left)
      if (entry === undefined) return undefined
      const check = await this.#check(entry, this.#endedMs === undefined ? 'boot' : 'outage')
      if (check.is === 'good') return { entry, root: check.root }
      this.#options.log(`slot ${entry.slot} is not run: ${check.reason.message}`)
      await this.#markBad(entry, check.reason)
      left = left.filter((other) => other !== entry)
    }
  }

  async #boot(entry: SlotEntry, root: BootFacts['root']): Promise<number> {
    const { sys, machine, log } = this.#options
    const { slot, digest: release, install } = entry
    const facts = { node: machine.name, slot, release, root, measuredBy: 'launcher' as const, install }
    await renameEntry(sys.disk, this.#paths.disk, entry, countDown(entry))
    await mountRoot(sys, join(this.#paths.disk, diskPath.root(slot)), this.#paths.mount)
    log(`boot ${this.#state.boots + 1}: slot ${slot}, ${shortDigest(release)}, entry ${install}`)
    const ended = new AbortController()
    const talk = this.#listen(ended.signal)
    const system = await bootSystem(sys, machine, this.#paths, facts)
    await this.#note({
      phase: 'running',
      boots: this.#state.boots + 1,
      running: { slot, release, install, complete: false },
    })
    const exitCode = await this.#untilEnd(system, ended.signal)
    ended.abort()
    await talk
    await unmountRoot(sys, this.#paths.mount)
    log(`the system ended with exit code ${exitCode}`)
    return exitCode
  }

  /** Waits for the end of the system; powers it off when told to. */
  async #untilEnd(system: RunningProcess, ended: AbortSignal): Promise<number> {
    const { sys, stop } = this.#options
    const powerOff = () => {
      system.kill('SIGTERM')
      sys.clock.sleep(powerOffMs, ended).then(
        () => system.kill('SIGKILL'),
        () => undefined,
      )
    }
    stop.addEventListener('abort', powerOff, { once: true })
    if (stop.aborted) powerOff()
    const { exitCode } = await system.exited
    stop.removeEventListener('abort', powerOff)
    return exitCode
  }

  /** Serves what the node asks for. A fault in this must not end the machine: before a boot its slot is checked in any case. */
  async #listen(ended: AbortSignal): Promise<void> {
    const { sys, log } = this.#options
    try {
      await followTalk(sys, this.#paths.disk, ended, {
        prepare: (install) => this.#prepare(install),
        bootComplete: (install) => this.#complete(install),
      })
    } catch (error) {
      log(`what the node says is not heard any more: ${String(error)}`)
    }
  }

  async #prepare(install: number): Promise<Reason | undefined> {
    const { entries } = await this.#readDisk()
    const entry = entries.find((candidate) => candidate.install === install)
    if (entry === undefined) return { code: 'entry-missing', message: `there is no boot entry ${install}` }
    const check = await this.#check(entry, 'boot')
    if (check.is === 'good') return undefined
    await this.#markBad(entry, check.reason)
    return check.reason
  }

  async #complete(install: number): Promise<void> {
    const { running } = this.#state
    if (running?.install !== install || running.complete) return
    this.#crashes = 0
    const outageMs =
      this.#endedMs === undefined ? undefined : this.#options.sys.clock.monotonicMs() - this.#endedMs
    await this.#note({
      running: { ...running, complete: true },
      ...(outageMs !== undefined && { lastOutageSeconds: Math.round(outageMs) / 1_000 }),
    })
  }

  async #check(entry: SlotEntry, before: 'outage' | 'boot'): Promise<SlotCheck> {
    const check = await this.#checker.check(entry.slot, entry.digest)
    if (check.is === 'good')
      await this.#note({ lastCheck: { seconds: Math.round(check.seconds * 1_000) / 1_000, before } })
    return check
  }

  async #markBad(entry: SlotEntry, reason: Reason): Promise<void> {
    const { disk } = this.#options.sys
    await writeWhy(disk, this.#paths.disk, entry.install, reason)
    await renameEntry(disk, this.#paths.disk, entry, markBad(entry))
  }

  /** After an end that nobody asked for: again, as a machine that panicked would, but not for ever. */
  async #mayGoOn(exitCode: number): Promise<boolean> {
    this.#crashes += 1
    const why = `the system ended by itself with exit code ${exitCode}`
    if (this.#crashes > crashesMax) {
      await this.#note({ phase: 'failed', why: `${why}, ${this.#crashes} times in a row` })
      return false
    }
    const { sys, stop } = this.#options
    await sys.clock.sleep(crashPauseMs, stop).catch((error: unknown) => {
      if (!stop.aborted) throw error
    })
    if (stop.aborted) await this.#note({ phase: 'off' })
    return !stop.aborted
  }

  #readDisk(): Promise<DiskFolder> {
    return readDiskFolder(this.#options.sys.disk, this.#paths.disk)
  }

  /** One after the other: what is written last is what is. */
  #note(change: Partial<LauncherState>): Promise<void> {
    this.#state = { ...this.#state, ...change }
    const text = `${JSON.stringify(this.#state)}\n`
    this.#noted = this.#noted.then(() => this.#options.sys.disk.writeDurably(this.#paths.state, text))
    return this.#noted
  }
}
