import { type Argument, type Command, Help, type Option } from 'commander'
import { exitsOf, manualOf } from '../../src/cli/help.ts'
import { page, prose, table } from './markdown.ts'

const help = new Help()
/** Every command has these; they stand once, at the top. */
const common = new Set(['--json', '--log-format <format>', '-h, --help'])

/** One page of all commands, in the order of `ashlar --help`. */
export function commandsPage(program: Command): string {
  return page([
    '# Commands',
    'Made by `script/docs` from the commands themselves; `ashlar COMMAND --help` and the man pages say the same.',
    table(['command', 'what it does'], all(program).map(line)),
    '## Every command',
    'Results go to standard output; progress, notes, questions and errors to standard error.',
    table(['option', 'meaning'], everyOption(program)),
    table(['exit code', 'meaning'], [...exitsOf(program)]),
    ...all(program).map(section),
  ])
}

/** The commands that can be called; a word that only groups others is none. */
function all(command: Command): readonly Command[] {
  return command.commands.flatMap((inner) => (inner.commands.length > 0 ? all(inner) : [inner]))
}

function callOf(command: Command): string {
  return command.parent === null ? command.name() : `${callOf(command.parent)} ${command.name()}`
}

function linkTo(call: string): string {
  return `[\`${call}\`](#${call.replaceAll(' ', '-')})`
}

function line(command: Command): readonly string[] {
  return [linkTo(callOf(command)), prose(command.summary())]
}

function everyOption(program: Command): readonly (readonly string[])[] {
  const some = program.commands.find((command) => command.commands.length === 0)
  return (some === undefined ? [] : help.visibleOptions(some))
    .filter(({ flags }) => common.has(flags))
    .map(optionRow)
}

function section(command: Command): string {
  const options = help.visibleOptions(command).filter(({ flags }) => !common.has(flags))
  const { examples = [], see = [], exits = {} } = manualOf(command) ?? {}
  const calls = see.map((name) => linkTo(`ashlar ${name}`)).join(', ')
  return page([
    `## ${callOf(command)}`,
    `\`${help.commandUsage(command)}\``,
    prose(command.description()),
    tableOf(['argument', 'meaning'], command.registeredArguments.map(argumentRow)),
    tableOf(['option', 'meaning'], options.map(optionRow)),
    examples.length === 0 ? '' : `Examples: ${examples.map((call) => `\`ashlar ${call}\``).join(', ')}.`,
    tableOf(['exit code', 'meaning'], Object.entries(exits)),
    calls === '' ? '' : `See also ${calls}.`,
  ]).trimEnd()
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : table(head, rows)
}

function argumentRow(argument: Argument): readonly string[] {
  return [`\`${argument.name()}\``, prose(argument.description)]
}

function optionRow(option: Option): readonly string[] {
  return [`\`${option.flags}\``, prose(help.optionDescription(option))]
}
