import type { Argument, Command, Option } from 'commander'
import { sourceOf, type ValueSource } from './values.ts'

/** A command as completion sees it. */
export interface CommandNode {
  /** Without `ashlar`: `machine start`; empty for `ashlar` itself. */
  readonly path: string
  readonly summary: string
  readonly words: readonly CommandNode[]
  readonly options: readonly OptionNode[]
  /** What each argument is completed with; the last one's again where any number may follow. */
  readonly values: readonly ValueSource[]
}

export interface OptionNode {
  /** `-f` and `--file`. */
  readonly flags: readonly string[]
  readonly description: string
  /** What its value is completed with; undefined where it takes none. */
  readonly value: ValueSource | readonly string[] | undefined
}

export function treeOf(command: Command, path = ''): CommandNode {
  const words = command.commands.map((inner) => treeOf(inner, `${path} ${inner.name()}`.trimStart()))
  return {
    path,
    summary: command.summary(),
    words,
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionNode), help],
    values: command.registeredArguments.map(valueSource),
  }
}

/** The node and all below it. */
export function flatten(node: CommandNode): readonly CommandNode[] {
  return [node, ...node.words.flatMap(flatten)]
}

/** `machine create --label`: the options that the word after them belongs to. */
export function takers(nodes: readonly CommandNode[]): readonly string[] {
  return nodes.flatMap(({ path, options }) =>
    options.flatMap(({ flags, value }) =>
      value === undefined ? [] : flags.map((flag) => `${path} ${flag}`),
    ),
  )
}

const help: OptionNode = {
  flags: ['-h', '--help'],
  description: 'display help for command',
  value: undefined,
}

function valueSource(argument: Argument): ValueSource {
  return sourceOf(argument.name())
}

function optionNode({ short, long, description, flags, argChoices }: Option): OptionNode {
  const name = /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(flags)?.[1]
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    description,
    value: name === undefined ? undefined : (argChoices ?? sourceOf(name)),
  }
}
