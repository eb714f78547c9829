import { type Command, Help } from 'commander'
import { painter } from './colour.ts'
import { exitCodes } from './failure.ts'
import { textWidth } from './text-width.ts'

/** What a command tells of itself beyond what commander knows. Help and man page are both made of it. */
export interface Manual {
  /** What it does, and what one should know before, for who has never called it. */
  readonly about: string
  /** Calls that work, without the `ashlar`. */
  readonly examples: readonly string[]
  /** Names of commands that come before or after it. */
  readonly see: readonly string[]
  /** What exit codes mean here, beside 0. */
  readonly exits?: Readonly<Record<number, string>>
}

const manuals = new WeakMap<Command, Manual>()

export function keepManual(command: Command, manual: Manual): void {
  manuals.set(command, manual)
}

export function manualOf(command: Command): Manual | undefined {
  return manuals.get(command)
}

/** Every exit code that a command may end with: its own words for those that it uses in a way of its own. */
export function exitsOf(command: Command): readonly (readonly [string, string])[] {
  const general: [number, string][] = exitCodes.map(({ exitCode, meaning }) => [exitCode, meaning])
  const all = { 0: 'done', 1: 'refused, failed, or found wanting', ...Object.fromEntries(general) }
  return Object.entries({ ...all, ...manualOf(command)?.exits })
}

/** No line is longer, on a wide terminal too: eyes lose the next one. */
const columnsMax = 100
const columnsDefault = 80
/** Narrower than this, text is left to the terminal to break. */
const columnsMin = 20

/** How help is laid out, for every command alike. */
export function helpStyle(colour: boolean): Partial<Help> {
  const paint = painter(colour)
  return {
    minWidthToWrap: columnsMin,
    displayWidth: (text) => textWidth(text.replaceAll(escapes, '')),
    subcommandTerm: (command) => command.name(),
    styleTitle: (text) => paint('bold', text),
    styleCommandText: (text) => paint('cyan', text),
    styleSubcommandText: (text) => paint('cyan', text),
    styleOptionText: (text) => paint('cyan', text),
    formatHelp: (command, helper) => formatHelp(command, helper as Help),
  }
}

// In a pattern, the linter takes an escape character for a slip.
const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

export function helpColumns(columns: number | undefined): number {
  return Math.min(columns ?? columnsDefault, columnsMax)
}

function formatHelp(command: Command, helper: Help): string {
  const usual = Help.prototype.formatHelp.call(helper, command, helper)
  const manual = manualOf(command)
  const lists = [
    section(
      helper,
      'Examples:',
      (manual?.examples ?? []).map((example) => `  $ ashlar ${example}`),
    ),
    section(helper, 'Exit codes:', exitLines(command, helper)),
    section(helper, 'See also:', seeAlso(manual, helper)),
  ]
  return [usual, ...lists.flat()].join('\n').trimEnd().concat('\n')
}

function section(helper: Help, title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [helper.styleTitle(title), ...lines, '']
}

/** A command says what it adds to the list, which stands once, in the help of `ashlar` itself. */
function exitLines(command: Command, helper: Help): readonly string[] {
  const own = manualOf(command)?.exits
  if (command.parent !== null && own === undefined) return []
  const exits = command.parent === null ? exitsOf(command) : Object.entries({ 0: 'done', ...own })
  return exits.map(([code, meaning]) => helper.formatItem(code, 3, meaning, helper))
}

function seeAlso(manual: Manual | undefined, helper: Help): readonly string[] {
  if (manual === undefined || manual.see.length === 0) return []
  const names = manual.see.map((name) => `ashlar ${name}`).join(', ')
  return helper
    .boxWrap(names, (helper.helpWidth ?? columnsDefault) - 2)
    .split('\n')
    .map((line) => `  ${line}`)
}
