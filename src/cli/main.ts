import { CommanderError } from 'commander'
import { noProgress } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { createAsk } from './ask.ts'
import { type Context, foldersOf, reportFailure } from './context.ts'
import { exitCodeOf, toFailure } from './failure.ts'
import { createProgram } from './program.ts'
import { createTerminal } from './terminal.ts'
import { logFormatOf, usageFailure } from './usage.ts'

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
// Who reads the output may stop reading it: `ashlar log | head` is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
// A server's log may lie on a full disk, and whoever read it may have gone: what it says is lost, and it goes on.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (!['ENOSPC', 'EDQUOT', 'EPIPE', 'EIO'].includes(error.code ?? '')) throw error
})

const words = process.argv.slice(2)
const terminal = createTerminal(
  { out: process.stdout, err: process.stderr },
  realSys.clock,
  process.env,
  logFormatOf(words, process.env),
)
// A bug, too, is told in the form that was asked for.
process.on('uncaughtException', (error) => {
  const failure = toFailure(error)
  reportFailure(terminal, failure, false)
  process.exit(exitCodeOf(failure))
})
const context: Context = {
  sys: realSys,
  environment: process.env,
  terminal,
  progress: process.env.ASHLAR_PROGRESS === 'off' ? noProgress : terminal.progress,
  folders: foldersOf(process.env),
  user: process.geteuid?.() ?? -1,
  ask: createAsk(process.stdin, process.stderr, interrupted.signal),
  signal: interrupted.signal,
}

const program = await createProgram(
  context,
  (code) => {
    process.exitCode = code
  },
  words,
)
try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = explain(error)
}

/** Commander ends this way after --help and --version too; a group without a word after it has shown its help. */
function explain(error: CommanderError): number {
  if (error.exitCode === 0) return 0
  const failure = usageFailure(error, program, words)
  if (error.code !== 'commander.help') reportFailure(terminal, failure, words.includes('--json'))
  return exitCodeOf(failure)
}
