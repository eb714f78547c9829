import { type Command, Option } from 'commander'
import { type Context, perform, type Result } from './context.ts'
import { keepManual, type Manual } from './help.ts'
import { describeValue } from './values.ts'

/** What a command file adds itself to. */
export interface Registrar {
  /** A command of its own below `parent`, with what every command has. */
  command(spec: Spec, parent?: Command): Command
  /** A word that only groups others: `ashlar key new`. */
  group(name: string, summary: string): Command
  /** Makes a command's action of its logic: prints the result, or the error, and sets the exit code. */
  act<Options>(
    run: (context: Context, args: readonly string[], options: Options) => Promise<Result>,
  ): (...given: unknown[]) => Promise<void>
}

export interface Spec extends Manual {
  /** `build [folder]`: name and arguments as commander writes them; what an argument is stands in `values.ts`. */
  readonly usage: string
  /** One line, without a full stop. */
  readonly summary: string
}

export function createRegistrar(
  program: Command,
  context: Context,
  setExitCode: (code: number) => void,
): Registrar {
  return {
    command: (spec, parent = program) => {
      const command = parent.command(spec.usage)
      keepManual(command, spec)
      for (const argument of command.registeredArguments)
        argument.description = describeValue(argument.name())
      return command
        .summary(spec.summary)
        .description(`${sentence(spec.summary)}\n\n${spec.about}`)
        .option('--json', 'print the result as one JSON document on standard output')
        .addOption(logFormatOption())
    },
    group: (name, summary) => program.command(name).summary(summary).description(sentence(summary)),
    act:
      (run) =>
      async (...given) => {
        // Commander hands over the arguments, then the options, then the command itself.
        const command = given.at(-1) as Command
        const args = given.slice(0, -2).flat() as string[]
        const options = command.opts()
        setExitCode(await perform(context, options.json === true, () => run(context, args, options as never)))
      },
  }
}

/** It is obeyed before the words are parsed, so that a wrong call is told in this form too: `logFormatOf`. */
export function logFormatOption(): Option {
  return new Option(
    '--log-format <format>',
    'how progress, notes and errors are written (or ASHLAR_LOG)',
  ).choices(['text', 'json'])
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}
