import { join } from 'node:path'
import { type Architecture, AshlarError, type Reason, shortDigest } from '../../core/index.ts'
import {
  chooseEntry,
  chooseUsable,
  condemn,
  countDown,
  type DiskFolder,
  diskPath,
  isDiskFull,
  type LauncherReason,
  readDiskFolder,
  renameEntry,
  requireFolders,
  type SlotEntry,
} from '../../disk/index.ts'
import type { RunningProcess, Sys } from '../../sys/index.ts'
import { command } from '../command.ts'
import { crashesMax, crashPauseMs, mountTriesMax, powerOffMs } from '../limits.ts'
import { type LauncherState, type Machine, machinePaths, startTimeOf } from '../machine-folder.ts'
import { connectMachine } from '../network.ts'
import { bootSystem, exitReboot, mountRoot, unmountRoot } from './boot.ts'
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

interface Chosen {
  readonly entry: SlotEntry
  readonly check: Extract<SlotCheck, { readonly is: 'good' }>
}

/** How a boot ended; `why` where nobody asked for it. */
type BootEnd = 'off' | 'reboot' | { readonly why: string }

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
  /** Attempts in a row. */
  #failedMounts = 0
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
      const end = await this.#boot(chosen)
      this.#endedMs = sys.clock.monotonicMs()
      if (stop.aborted || end === 'off') return this.#note({ phase: 'off' })
      if (end !== 'reboot' && !(await this.#mayGoOn(end.why))) return
    }
  }

  /** The first entry in boot order whose slot is unaltered. An altered one is marked bad, with the reason, and never run. */
  async #choose(): Promise<Chosen | undefined> {
    await this.#note({ phase: 'checking' })
    const { entries } = await this.#readDisk()
    let left = entries
    for (;;) {
      const entry = chooseEntry(left)
      if (entry === undefined) return undefined
      const check = await this.#check(entry, this.#endedMs === undefined ? 'boot' : 'outage')
      if (check.is === 'good') return { entry, check }
      this.#options.log(`slot ${entry.slot} is not run: ${check.reason.message}`)
      await this.#markBad(entry, check.reason)
      left = left.filter((other) => other !== entry)
    }
  }

  async #boot({ entry, check }: Chosen): Promise<BootEnd> {
    const { sys, machine, log } = this.#options
    const { slot, digest: release, install } = entry
    await renameEntry(sys.disk, this.#paths.disk, entry, countDown(entry))
    const why = await this.#mount(entry)
    if (why !== undefined) return { why }
    log(`boot ${this.#state.boots + 1}: slot ${slot}, ${shortDigest(release)}, entry ${install}`)
    const ended = new AbortController()
    const talk = this.#listen(ended.signal)
    const facts = { slot, release, root: check.root, measuredBy: 'launcher' as const, install }
    const system = await bootSystem(sys, machine, this.#paths, { node: machine.name, ...facts })
    await this.#note({
      phase: 'running',
      boots: this.#state.boots + 1,
      running: { slot, release, install, complete: false },
    })
    if ((entry.counter?.left ?? 0) > 0)
      void this.#watch(system, install, machine.watchdogSeconds * 1_000 + check.longestCheckMs, ended.signal)
    const exitCode = await this.#untilEnd(system, ended.signal)
    ended.abort()
    await talk
    await unmountRoot(sys, this.#paths.mount)
    log(`the system ended with exit code ${exitCode}`)
    if (exitCode === 0) return 'off'
    if (exitCode === exitReboot) return 'reboot'
    return { why: `the system ended by itself with exit code ${exitCode}` }
  }

  /**
   * Mounts the slot of an entry, or says why it cannot. A trial has lost a try by that; a confirmed release is tried
   * again, for loop devices and time may be short for a moment, and then steps back for another.
   */
  async #mount(entry: SlotEntry): Promise<string | undefined> {
    const { sys, log } = this.#options
    try {
      await mountRoot(sys, join(this.#paths.disk, diskPath.root(entry.slot)), this.#paths.mount)
      this.#failedMounts = 0
      return undefined
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error
      log(`slot ${entry.slot} is not run: ${error.message}`)
      this.#failedMounts += 1
      const { entries } = await this.#readDisk()
      const isLast = chooseUsable(entries.filter(({ slot }) => slot !== entry.slot)) === undefined
      if (entry.counter === undefined && !isLast && this.#failedMounts >= mountTriesMax)
        await this.#markBad(entry, { code: 'mount-failed', message: error.message })
      return error.message
    }
  }

  /** Ends a trial that does not come up whole in time, as a board's watchdog would: nothing in it may be left to notice. */
  async #watch(system: RunningProcess, install: number, withinMs: number, ended: AbortSignal): Promise<void> {
    const { sys, log } = this.#options
    try {
      await sys.clock.sleep(withinMs, ended)
      if (this.#state.running?.complete === true) return
      if (!(await this.#isOnTrial(install)))
        return log('the release did not say that it is up, and is left running')
      log('the trial did not come up whole in time, and is ended')
      system.kill('SIGKILL')
    } catch (error) {
      if (!ended.aborted) log(`whether the trial came up cannot be told: ${String(error)}`)
    }
  }

  /**
   * What the node tells its launcher may be lost, and the disk decides: an entry without a counter is confirmed. A trial
   * that failed stays as well where no release is left that did not, as the agent lets it.
   */
  async #isOnTrial(install: number): Promise<boolean> {
    const { entries } = await this.#readDisk()
    const entry = entries.find((candidate) => candidate.install === install)
    return entry?.counter !== undefined && chooseUsable(entries) !== undefined
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

  async #markBad(entry: SlotEntry, reason: Reason & { readonly code: LauncherReason }): Promise<void> {
    const { disk } = this.#options.sys
    await condemn(disk, this.#paths.disk, entry, reason)
  }

  /** After an end that nobody asked for: again, as a machine that panicked would, but not for ever. */
  async #mayGoOn(why: string): Promise<boolean> {
    this.#crashes += 1
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

  async #readDisk(): Promise<DiskFolder> {
    const { disk } = this.#options.sys
    await requireFolders(disk, this.#paths.disk)
    return readDiskFolder(disk, this.#paths.disk)
  }

  /**
   * One after the other: what is written last is what is. Once the machine runs, a full disk of the host does not end
   * it: the next note says all that this one would have.
   */
  #note(change: Partial<LauncherState>): Promise<void> {
    this.#state = { ...this.#state, ...change }
    const text = `${JSON.stringify(this.#state)}\n`
    const { sys, log } = this.#options
    this.#noted = this.#noted.then(() =>
      sys.disk.writeDurably(this.#paths.state, text).catch((error: unknown) => {
        if (!isDiskFull(error) || this.#state.boots === 0) throw error
        log('the disk is full: what the machine does cannot be noted')
      }),
    )
    return this.#noted
  }
}
