import { join } from 'node:path'
import { AshlarError, type Finding, type Progress } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { exitCodeOf, type Failure, toFailure } from './failure.ts'
import type { Terminal } from './terminal.ts'

/** What every command is handed. */
export interface Context {
  readonly sys: Sys
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly terminal: Terminal
  readonly progress: Progress
  readonly folders: Folders
  /** Effective user id; 0 is root. */
  readonly user: number
  /** Asks the person at the terminal a question; undefined where there is none. An empty line is an answer. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

/** Where Ashlar keeps things on this host. */
export interface Folders {
  readonly data: string
  readonly store: string
  readonly cache: string
  readonly machines: string
  readonly server: string
}

/** What a command came to: `json` for programs, `text` for people, and an exit code where it is not 0. */
export interface Result {
  readonly json: unknown
  readonly text: string
  /** `text` has colours of its own, and what others wrote in it was made harmless before. */
  readonly painted?: true
  readonly exitCode?: number
}

export class CliError extends AshlarError<
  | 'usage'
  | 'not-logged-in'
  | 'reference-unknown'
  | 'digest-required'
  | 'file-missing'
  | 'path-unfit'
  | 'file-exists'
  | 'definition-invalid'
  | 'trust-missing'
  | 'root-required'
  | 'authority-unknown'
  | 'release-refused'
  | 'resource-invalid'
  | 'resource-unknown'
  | 'record-invalid'
  | 'timed-out'
  | 'confirmation-missing'
  | 'declined'
> {
  readonly findings: readonly Finding[]
  constructor(
    code: ConstructorParameters<typeof AshlarError>[0] & CliError['code'],
    message: string,
    detail: ConstructorParameters<typeof AshlarError>[2] & { readonly findings?: readonly Finding[] } = {},
  ) {
    super(code, message, detail)
    this.findings = detail.findings ?? []
  }
}

/** `ASHLAR_DATA`, else the XDG data folder. */
export function foldersOf(environment: Context['environment']): Folders {
  const home = environment.XDG_DATA_HOME ?? join(environment.HOME ?? '/root', '.local/share')
  const data = environment.ASHLAR_DATA ?? join(home, 'ashlar')
  return {
    data,
    store: join(data, 'store'),
    cache: join(data, 'cache'),
    machines: join(data, 'machines'),
    server: join(data, 'server'),
  }
}

/** What builds keep to be faster the next time. */
export function buildCacheFolder({ cache }: Folders): string {
  return join(cache, 'build')
}

/** Runs a command, prints what it came to or why it failed, and gives the exit code. */
export async function perform(context: Context, json: boolean, run: () => Promise<Result>): Promise<number> {
  try {
    const result = await run()
    context.terminal.endProgress()
    if (json) context.terminal.result(printJson(context.terminal, result.json))
    else if (result.painted) context.terminal.painted(result.text)
    else context.terminal.result(result.text)
    return result.exitCode ?? 0
  } catch (error) {
    context.terminal.endProgress()
    const failure = toFailure(error)
    reportFailure(context.terminal, failure, json)
    return exitCodeOf(failure)
  }
}

/** On one line where programs read what is said, so that of both streams each line is a document. */
export function printJson({ format }: Terminal, value: unknown): string {
  return format === 'json' ? JSON.stringify(value) : JSON.stringify(value, null, 2)
}

/** For people on standard error, and with `--json` as the one document on standard output. */
export function reportFailure(terminal: Terminal, failure: Failure, json: boolean): void {
  if (json) terminal.result(printJson(terminal, { error: failure }))
  terminal.failure(failure)
}
