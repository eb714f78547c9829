import { join } from 'node:path'
import { AshlarError, type LockedPackage } from '../../core/index.ts'
import type { ExecResult, Sys } from '../../sys/index.ts'
import { type Archive, presentPackage } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import {
  archiveAttemptsMax,
  archiveRetryDelayMs,
  archiveRetryWindowMs,
  downloadTimeoutMs,
  solveTimeoutMs,
  updateTimeoutMs,
} from '../limits.ts'
import { type ArchiveFault, archiveFault, silentFault } from './archive-fault.ts'
import { type Mirrors, pocketsOf } from './mirrors.ts'

export interface AptOptions {
  readonly sys: Sys
  /** Owned by this value alone; indexes stay in it, so that the next update fetches only what changed. */
  readonly folder: string
  readonly suite: string
  readonly architecture: string
  readonly mirrors: Mirrors
  /** Lines of its configuration that come from the host. */
  readonly hostSettings: readonly string[]
  /** OpenPGP keys that may sign the archives. */
  readonly keyring: string
  /** Lines of `sources.list`; default: every pocket of the suite. */
  readonly sources?: readonly string[]
  /** Default: {@link archiveAttemptsMax}. */
  readonly attemptsMax?: number
  /** Told why another attempt is made. */
  readonly note: (text: string) => void
}

/** Where apt put the indexes of one pocket. */
export interface PocketFiles {
  readonly name: string
  readonly archive: Archive
  readonly inRelease: string
  /** Absent where the pocket is empty. */
  readonly packages?: string
  /** The path of `packages` as the pocket's `Release` file names it. */
  readonly packagesPath: string
}

/** One version of a package that the solver chose. */
export interface Solved {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export type Solution =
  | { readonly is: 'solved'; readonly packages: readonly Solved[] }
  | { readonly is: 'refused'; readonly output: string }

/** The host's apt, with state, sources and settings of its own: the host's packages and preferences do not touch the result. */
export class Apt {
  readonly #options: AptOptions

  private constructor(options: AptOptions) {
    this.#options = options
  }

  /** Makes the folder and writes the settings. */
  static async open(options: AptOptions): Promise<Apt> {
    const apt = new Apt(options)
    await apt.#prepare()
    return apt
  }

  /** Fetches the indexes of every source. @throws BuildError `archive-…`, `clock-behind`, `disk-full` */
  async update(): Promise<void> {
    await this.#persist('the indexes', ['apt-get', 'update', '-qq'], updateTimeoutMs)
  }

  /** What must be installed, beside nothing, so that `roots` can be; else what apt says against it. */
  async solve(roots: readonly string[]): Promise<Solution> {
    // With -qq apt keeps its reasons to itself.
    const args = ['install', '--simulate', '-q', ...roots]
    const { exitCode, stdout, stderr } = await this.#run('apt-get', args, solveTimeoutMs)
    const text = new TextDecoder().decode(stdout)
    if (exitCode === 0) return { is: 'solved', packages: parseSimulation(text) }
    return { is: 'refused', output: `${text}\n${stderr}` }
  }

  /** Fetches one file of an archive, and goes on with what an earlier attempt left in `target`. Nothing is checked here. @throws BuildError as {@link Apt.update} */
  async download(
    { archive, path, sizeBytes }: Pick<LockedPackage, 'archive' | 'path' | 'sizeBytes'>,
    target: string,
  ): Promise<void> {
    const uri = `${this.#options.mirrors[archive].replace(/\/+$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`
    const command = ['/usr/lib/apt/apt-helper', 'download-file', '-qq', uri, target] as const
    await this.#persist(uri, command, downloadTimeoutMs(sizeBytes))
  }

  /** Tries again where the fault may pass: networks hiccup, and a mirror changes while it is read. Another lock's update is waited for. */
  async #persist(what: string, command: readonly [string, ...string[]], timeoutMs: number): Promise<void> {
    const { note, attemptsMax = archiveAttemptsMax } = this.#options
    const { clock } = this.#options.sys
    const startedMs = clock.monotonicMs()
    for (let attempt = 1; ; ) {
      const fault = await this.#attempt(what, command, timeoutMs)
      if (fault === undefined) return
      const tookMs = clock.monotonicMs() - startedMs
      if (fault.error.code === 'archive-busy' && tookMs < updateTimeoutMs) {
        await clock.sleep(archiveRetryDelayMs)
        continue
      }
      if (!fault.passing || tookMs > archiveRetryWindowMs || attempt >= attemptsMax) throw fault.error
      attempt++
      note(`${fault.error.message}; attempt ${attempt} of ${attemptsMax} follows`)
      await clock.sleep(archiveRetryDelayMs * 4 ** (attempt - 2))
    }
  }

  async #attempt(
    what: string,
    [program, ...args]: readonly [string, ...string[]],
    timeoutMs: number,
  ): Promise<ArchiveFault | undefined> {
    try {
      const { exitCode, stderr } = await this.#run(program, args, timeoutMs)
      return exitCode === 0 ? undefined : archiveFault(stderr, this.#options.folder)
    } catch (error) {
      if (error instanceof AshlarError && error.code === 'timed-out')
        return silentFault(what, this.#options.folder)
      throw error
    }
  }

  // env(1) adds to the caller's environment, so that a proxy that is named there is used. However this process ends, apt does.
  #run(program: string, args: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const config = `APT_CONFIG=${join(this.#options.folder, 'apt.conf')}`
    const command = ['--pdeathsig', 'KILL', '--', 'env', config, 'LC_ALL=C.UTF-8', program, ...args]
    return this.#options.sys.exec.run('setpriv', command, { timeoutMs })
  }

  async #prepare(): Promise<void> {
    const { sys, folder, architecture, hostSettings } = this.#options
    for (const name of ['lists/partial', 'cache/archives/partial', 'empty'])
      await sys.disk.mkdir(join(folder, name), { recursive: true })
    const sources = this.#options.sources ?? pocketSources(this.#options)
    await sys.disk.writeFile(join(folder, 'sources.list'), `${sources.join('\n')}\n`)
    await sys.disk.writeFile(join(folder, 'status'), presentPackage.status)
    await sys.disk.writeFile(join(folder, 'apt.conf'), aptConfiguration(folder, architecture, hostSettings))
  }

  /** The folder is this value's alone, so that it has one index of each pocket. apt keeps no file of an empty one. */
  async pocketFiles(): Promise<readonly PocketFiles[]> {
    const { sys, folder, suite, architecture } = this.#options
    const lists = join(folder, 'lists')
    const names = await sys.disk.readdir(lists)
    return pocketsOf(suite).map(({ name, archive }) => {
      const inRelease = names.find((file) => file.endsWith(`_dists_${name}_InRelease`))
      if (inRelease === undefined)
        throw new BuildError('archive-invalid', `the archive has no index of ${name}`, { where: name })
      const packages = inRelease.replace(/InRelease$/, `main_binary-${architecture}_Packages`)
      return {
        name,
        archive,
        inRelease: join(lists, inRelease),
        ...(names.includes(packages) && { packages: join(lists, packages) }),
        packagesPath: `main/binary-${architecture}/Packages`,
      }
    })
  }
}

function pocketSources({ suite, architecture, mirrors, keyring }: AptOptions): readonly string[] {
  return pocketsOf(suite).map(
    ({ name, archive }) => `deb [arch=${architecture} signed-by=${keyring}] ${mirrors[archive]} ${name} main`,
  )
}

/** The settings of apt: those of the host that are taken over, and its own, which come last and so hold. */
function aptConfiguration(folder: string, architecture: string, hostSettings: readonly string[]): string {
  const own = {
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::main': '/dev/null',
    'Dir::Etc::parts': join(folder, 'empty'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': join(folder, 'empty'),
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': join(folder, 'empty'),
    'Dir::Etc::trustedparts': join(folder, 'empty'),
    'APT::Architecture': architecture,
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
    // A lock must not hang on which apt the host has: apt 3 brings another solver.
    'APT::Solver': 'internal',
    // Retries are made here, where they can be told.
    'Acquire::Retries': '0',
    // Without it apt goes on with old or missing indexes and exit code 0.
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::GzipIndexes': 'false',
    'Acquire::AllowInsecureRepositories': 'false',
    'Acquire::AllowWeakRepositories': 'false',
    'Acquire::AllowDowngradeToInsecureRepositories': 'false',
  }
  const lines = Object.entries(own).map(([name, value]) => `${name} ${JSON.stringify(value)};`)
  return `${[`#clear APT::Architectures;`, `APT::Architectures { ${JSON.stringify(architecture)}; };`, ...hostSettings, ...lines].join('\n')}\n`
}

/** Lines `Inst name (version origin [architecture])` of `apt-get --simulate`. */
export function parseSimulation(text: string): readonly Solved[] {
  return [...text.matchAll(/^Inst ([^\s:]+)(?::[a-z0-9-]+)? \((\S+) .*?\[([a-z0-9-]+)\]\)/gm)].map(
    ([, name = '', version = '', architecture = '']) => ({ name, version, architecture }),
  )
}
