import type { Command } from 'commander'
import { type Context, perform, type Result } from './context.ts'

/** What a command file adds itself to. */
export interface Registrar {
  /** A command of its own below `parent`, with `--json` and an example in its help. */
  command(spec: Spec, parent?: Command): Command
  /** A word that only groups others: `ashlar key new`. */
  group(name: string, summary: string): Command
  /** Makes a command's action of its logic: prints the result, or the error, and sets the exit code. */
  act<Options>(
    run: (context: Context, args: readonly string[], options: Options) => Promise<Result>,
  ): (...given: unknown[]) => Promise<void>
}

export interface Spec {
  /** `build [folder]`: name and arguments as commander writes them. */
  readonly usage: string
  readonly summary: string
  /** A call that works, without the `ashlar`. */
  readonly example: string
}

export function createRegistrar(
  program: Command,
  context: Context,
  setExitCode: (code: number) => void,
): Registrar {
  return {
    command: (spec, parent = program) =>
      parent
        .command(spec.usage)
        .description(spec.summary)
        .option('--json', 'print the result as one JSON document on standard output')
        .addHelpText('after', `\nExample:\n  $ ashlar ${spec.example}`),
    group: (name, summary) => program.command(name).description(summary),
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
