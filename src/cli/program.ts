import { Command } from 'commander'
import { ashlarVersion } from './ashlar-version.ts'
import { createRegistrar, logFormatOption, type Registrar } from './command.ts'
import type { Context } from './context.ts'
import { helpColumns, helpStyle, keepManual } from './help.ts'

type Add = (registrar: Registrar) => void
type Load = () => Promise<Add>

/** In the order of the way through the house; help lists them so. Each file is loaded when its command is called. */
const groups: readonly (readonly [heading: string, Readonly<Record<string, Load>>])[] = [
  [
    'Define and build:',
    {
      init: async () => (await import('./init.ts')).addInit,
      adopt: async () => (await import('./adopt.ts')).addAdopt,
      schema: async () => (await import('./schema.ts')).addSchema,
      key: async () => (await import('./key.ts')).addKey,
      lock: async () => (await import('./lock.ts')).addLock,
      build: async () => (await import('./build.ts')).addBuild,
      inspect: async () => (await import('./inspect.ts')).addInspect,
      cache: async () => (await import('./cache.ts')).addCache,
    },
  ],
  [
    'Prove:',
    {
      sign: async () => (await import('./sign.ts')).addSign,
      verify: async () => (await import('./verify.ts')).addVerify,
    },
  ],
  [
    'Serve and publish:',
    {
      serve: async () => (await import('./serve.ts')).addServe,
      login: async () => (await import('./login.ts')).addLogin,
      push: async () => (await import('./push.ts')).addPush,
      token: async () => (await import('./token.ts')).addToken,
    },
  ],
  [
    'Run and roll out:',
    {
      machine: async () => (await import('./machine.ts')).addMachine,
      apply: async () => (await import('./apply.ts')).addApply,
      get: async () => (await import('./get.ts')).addGet,
      rollout: async () => (await import('./rollout.ts')).addRollout,
      why: async () => (await import('./why.ts')).addWhy,
      log: async () => (await import('./log.ts')).addLog,
    },
  ],
  [
    'This host:',
    {
      doctor: async () => (await import('./doctor.ts')).addDoctor,
      completion: async () => (await import('./completion.ts')).addCompletion,
      fsck: async () => (await import('./fsck.ts')).addFsck,
      version: async () => (await import('./version.ts')).addVersion,
    },
  ],
]

/**
 * The command line, with the one command that `words` begin with, or, where they begin with none, with all.
 * Its commands print what they come to by themselves; a wrong call is thrown by `parseAsync` as CommanderError.
 */
export async function createProgram(
  context: Context,
  setExitCode: (code: number) => void,
  words: readonly string[] = [],
): Promise<Command> {
  const { terminal } = context
  const program = new Command('ashlar')
    .description('Immutable infrastructure: releases that are built, signed, rolled out, and never modified.')
    .version(ashlarVersion)
    .addOption(logFormatOption())
    .showSuggestionAfterError()
    .configureHelp(helpStyle(terminal.colour))
    .configureOutput({
      writeOut: (text) => terminal.painted(text.replace(/\n$/, '')),
      writeErr: (text) => terminal.error(text.trimEnd()),
      outputError: () => undefined,
      getOutHelpWidth: () => helpColumns(terminal.columns),
      getErrHelpWidth: () => helpColumns(terminal.columns),
      getOutHasColors: () => terminal.colour,
      getErrHasColors: () => false,
    })
    .exitOverride()
  keepManual(program, { about: '', examples: ['init web', 'lock web', 'build web', 'build --help'], see: [] })
  await addCommands(program, createRegistrar(program, context, setExitCode), words)
  return program
}

async function addCommands(program: Command, registrar: Registrar, words: readonly string[]): Promise<void> {
  if (words.length === 1 && ['--version', '-V'].includes(words[0] ?? '')) return
  const named = groups.find(([, commands]) => Object.hasOwn(commands, words[0] ?? ''))
  const only = named?.[1][words[0] ?? '']
  if (only !== undefined) return (await only())(registrar)
  for (const [heading, commands] of groups) {
    program.commandsGroup(heading)
    for (const add of await Promise.all(Object.values(commands).map((load) => load()))) add(registrar)
  }
}
