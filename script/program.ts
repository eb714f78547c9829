import type { Command } from 'commander'
import { foldersOf } from '../src/cli/index.ts'
import { createProgram } from '../src/cli/program.ts'
import { createTerminal } from '../src/cli/terminal.ts'
import { noProgress } from '../src/core/index.ts'
import { realSys } from '../src/sys/index.ts'

/** The command line with all its commands, to be described; none of them is run. */
export function wholeProgram(): Promise<Command> {
  const terminal = createTerminal({ out: process.stdout, err: process.stderr }, realSys.clock, {})
  const context = {
    ...{ sys: realSys, environment: {}, terminal, progress: noProgress, folders: foldersOf({}), user: -1 },
    ask: undefined,
    signal: new AbortController().signal,
  }
  return createProgram(context, () => undefined)
}
