import { type Argument, type Command, Help, type Option } from 'commander'
import { ashlarVersion } from './ashlar-version.ts'
import { exitsOf, manualOf } from './help.ts'

export interface ManPage {
  /** `ashlar-machine-start.1` */
  readonly file: string
  readonly text: string
}

/** A page for a command and one for each below it, in man(7), made of what `--help` is made of. `date` as year-month-day. */
export function manPages(command: Command, date: string): readonly ManPage[] {
  const name = pageName(command)
  const page = [
    `.\\" Made by script/bundle from the commands themselves.`,
    `.TH ${name.toUpperCase()} 1 "${date}" "Ashlar ${ashlarVersion}" "Ashlar"`,
    ...section('NAME', [`${name} \\- ${roff(command.summary() || command.description())}`]),
    ...section('SYNOPSIS', [
      `.B ${callOf(command)}`,
      roff(help.commandUsage(command).slice(callOf(command).length + 1)),
    ]),
    ...section('DESCRIPTION', paragraphs(command.description())),
    ...section('ARGUMENTS', command.registeredArguments.flatMap(argumentItem)),
    ...section('OPTIONS', help.visibleOptions(command).flatMap(optionItem)),
    ...section('COMMANDS', command.commands.flatMap(commandItem)),
    ...section('EXAMPLES', examples(command)),
    ...section(
      'EXIT STATUS',
      exitsOf(command).flatMap(([code, meaning]) => item(`.B ${code}`, meaning)),
    ),
    ...section(
      'ENVIRONMENT',
      environment.flatMap(([variable, text]) => item(`.B ${variable}`, text)),
    ),
    ...section('SEE ALSO', seeAlso(command)),
  ]
  const own = { file: `${name}.1`, text: `${page.join('\n')}\n` }
  return [own, ...command.commands.flatMap((inner) => manPages(inner, date))]
}

const help = new Help()

const environment: readonly (readonly [string, string])[] = [
  ['ASHLAR_DATA', 'where Ashlar keeps its store, cache, machines and login; else ashlar/ in XDG_DATA_HOME'],
  ['ASHLAR_LOG', 'json: progress, notes and errors as one JSON object a line'],
  ['ASHLAR_PROGRESS', 'off: no progress'],
  ['NO_COLOR, FORCE_COLOR, CLICOLOR', 'whether there is colour'],
]

function pageName(command: Command): string {
  return callOf(command).replaceAll(' ', '-')
}

function callOf(command: Command): string {
  return command.parent === null ? command.name() : `${callOf(command.parent)} ${command.name()}`
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines]
}

function paragraphs(text: string): readonly string[] {
  return text.split('\n\n').flatMap((paragraph, index) => [...(index === 0 ? [] : ['.PP']), roff(paragraph)])
}

function item(term: string, text: string): readonly string[] {
  return ['.TP', term, roff(text)]
}

function argumentItem(argument: Argument): readonly string[] {
  return item(`.I ${roff(argument.name())}`, argument.description)
}

function optionItem(option: Option): readonly string[] {
  return item(`.B ${roff(option.flags)}`, help.optionDescription(option))
}

function commandItem(command: Command): readonly string[] {
  return item(`.BR ${roff(pageName(command))} (1)`, command.summary())
}

function examples(command: Command): readonly string[] {
  const calls = manualOf(command)?.examples ?? []
  return calls.length === 0 ? [] : ['.nf', ...calls.map((call) => roff(`$ ashlar ${call}`)), '.fi']
}

function seeAlso(command: Command): readonly string[] {
  const others = (manualOf(command)?.see ?? []).map((name) => `ashlar-${name.replaceAll(' ', '-')}`)
  const pages = command.parent === null ? others : [pageName(command.parent), ...others]
  return pages.map((page, index) => `.BR ${roff(page)} (1)${index === pages.length - 1 ? '' : ' ,'}`)
}

/** Text as roff takes it: nothing in it is a request, and a dash is one that can be copied into a shell. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replace(/^([.])/, '\\&$1')
}
