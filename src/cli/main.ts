import { Command } from 'commander'
import { noProgress } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { createRegistrar, type Registrar } from './command.ts'
import { type Context, foldersOf } from './context.ts'
import { addInit } from './init.ts'
import { addKey } from './key.ts'
import { addLock } from './lock.ts'
import { addSchema } from './schema.ts'
import { createTerminal } from './terminal.ts'
import { ashlarVersion } from './version.ts'

const commands: readonly ((registrar: Registrar) => void)[] = [addInit, addSchema, addKey, addLock]

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
  .showHelpAfterError('(ashlar --help lists the commands)')
  .configureOutput({ writeErr: (text) => terminal.error(text.trimEnd()) })
  // sysexits.h EX_USAGE, so that a wrong call is not taken for a failed one.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64))

const registrar = createRegistrar(program, context, (code) => {
  process.exitCode = code
})
for (const add of commands) add(registrar)
await program.parseAsync()
