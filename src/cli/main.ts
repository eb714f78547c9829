import { Command, CommanderError } from 'commander'
import { noProgress } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { addApply } from './apply.ts'
import { addBuild } from './build.ts'
import { createRegistrar, type Registrar } from './command.ts'
import { type Context, foldersOf, reportFailure } from './context.ts'
import { exitCodeOf, exitCodesHelp } from './failure.ts'
import { addGet } from './get.ts'
import { addInit } from './init.ts'
import { addInspect } from './inspect.ts'
import { addKey } from './key.ts'
import { addLock } from './lock.ts'
import { addLog } from './log.ts'
import { addLogin } from './login.ts'
import { addMachine } from './machine.ts'
import { addPush } from './push.ts'
import { addRollout } from './rollout.ts'
import { addSchema } from './schema.ts'
import { addServe } from './serve.ts'
import { addSign } from './sign.ts'
import { createTerminal } from './terminal.ts'
import { addToken } from './token.ts'
import { usageFailure } from './usage.ts'
import { addVerify } from './verify.ts'
import { ashlarVersion } from './version.ts'
import { addWhy } from './why.ts'

/** In the order of the way through the house; `--help` lists them so. */
const commands: readonly ((registrar: Registrar) => void)[] = [
  addInit,
  addSchema,
  addKey,
  addLock,
  addBuild,
  addInspect,
  addSign,
  addVerify,
  addServe,
  addLogin,
  addPush,
  addToken,
  addMachine,
  addApply,
  addGet,
  addRollout,
  addWhy,
  addLog,
]

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

const terminal = createTerminal({ out: process.stdout, err: process.stderr }, realSys.clock, process.env)
const context: Context = {
  sys: realSys,
  environment: process.env,
  terminal,
  progress: process.env.ASHLAR_PROGRESS === 'off' ? noProgress : terminal.progress,
  folders: foldersOf(process.env),
  user: process.geteuid?.() ?? -1,
  signal: interrupted.signal,
}

const program = new Command('ashlar')
  .description('Immutable infrastructure: releases that are built, signed, rolled out, and never modified.')
  .version(ashlarVersion)
  .showSuggestionAfterError()
  .addHelpText('after', `\n${exitCodesHelp}`)
  .configureOutput({ writeErr: (text) => terminal.error(text.trimEnd()), outputError: () => undefined })
  .exitOverride()

const registrar = createRegistrar(program, context, (code) => {
  process.exitCode = code
})
for (const add of commands) add(registrar)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = explain(error)
}

/** Commander ends this way after --help and --version too; a group without a word after it has shown its help. */
function explain(error: CommanderError): number {
  if (error.exitCode === 0) return 0
  const words = process.argv.slice(2)
  const failure = usageFailure(error, program, words)
  if (error.code !== 'commander.help') reportFailure(terminal, failure, words.includes('--json'))
  return exitCodeOf(failure)
}
