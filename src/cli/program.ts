import { Command } from 'commander'
import { addAdopt } from './adopt.ts'
import { addApply } from './apply.ts'
import { addBuild } from './build.ts'
import { createRegistrar, type Registrar } from './command.ts'
import type { Context } from './context.ts'
import { exitCodesHelp } from './failure.ts'
import { addFsck } from './fsck.ts'
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
import { addToken } from './token.ts'
import { addVerify } from './verify.ts'
import { ashlarVersion } from './version.ts'
import { addWhy } from './why.ts'

/** In the order of the way through the house; `--help` lists them so. */
const commands: readonly ((registrar: Registrar) => void)[] = [
  addInit,
  addAdopt,
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
  addFsck,
]

/** The whole command line. Its commands print what they come to by themselves; a wrong call is thrown by `parseAsync` as CommanderError. */
export function createProgram(context: Context, setExitCode: (code: number) => void): Command {
  const program = new Command('ashlar')
    .description('Immutable infrastructure: releases that are built, signed, rolled out, and never modified.')
    .version(ashlarVersion)
    .showSuggestionAfterError()
    .addHelpText('after', `\n${exitCodesHelp}`)
    .configureOutput({
      writeErr: (text) => context.terminal.error(text.trimEnd()),
      outputError: () => undefined,
    })
    .exitOverride()
  const registrar = createRegistrar(program, context, setExitCode)
  for (const add of commands) add(registrar)
  return program
}
