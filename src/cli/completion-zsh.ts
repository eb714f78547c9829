import { type CommandNode, flatten, type OptionNode } from './command-tree.ts'
import { fixedValues, type ValueSource } from './values.ts'

/** One function a command, in the form that zsh's own `_arguments` reads. */
export function zshCompletion(root: CommandNode): string {
  return `#compdef ashlar
# zsh completion for ashlar. Made by: ashlar completion zsh
_ashlar_ask() {
  local -a found
  found=(\${(f)"$(ashlar completion $@[-1] 2>/dev/null)"})
  compadd "\${@[1,-2]}" -a found
}
${flatten(root).map(functionOf).join('\n')}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _ashlar "$@"; else compdef _ashlar ashlar; fi`
}

function functionOf(node: CommandNode): string {
  const options = node.options.flatMap(optionLines)
  if (node.words.length === 0)
    return `${name(node)}() {\n  _arguments -S ${continued([...options, ...node.values.flatMap(valueLine)])}\n}`
  const words = node.words.map(({ path, summary }) => quote(`${lastWord(path)}:${withoutColons(summary)}`))
  const inner = node.words.map((word) => `    ${lastWord(word.path)}) ${name(word)} ;;`)
  return `${name(node)}() {
  local state
  local -a line commands
  commands=(${words.join('\n    ')})
  _arguments -C -A '-*' ${continued([...options, "'1: :->word'", "'*:: :->rest'"])}
  case $state in
    word) _describe command commands ;;
    rest) case $line[1] in
${inner.join('\n')}
    esac ;;
  esac
}`
}

function optionLines({ flags, description, value }: OptionNode): string[] {
  const said = `[${withoutColons(description).replaceAll('[', '\\[').replaceAll(']', '\\]')}]`
  const takes = value === undefined ? '' : `:value:${answers(value)}`
  const others = flags.length > 1 ? `(${flags.join(' ')})` : ''
  return flags.map((flag) => quote(`${others}${flag}${said}${takes}`))
}

function valueLine(value: ValueSource, index: number): string[] {
  return [quote(`${index + 1}:${value === 'none' ? ' ' : value}:${answers(value)}`)]
}

function answers(value: ValueSource | readonly string[]): string {
  const fixed = typeof value === 'string' ? fixedValues(value) : value
  if (fixed !== undefined) return `(${fixed.join(' ')})`
  if (value === 'files') return '_files'
  if (value === 'folders') return '_files -/'
  return value === 'none' ? ' ' : `_ashlar_ask ${value}`
}

function name(node: CommandNode): string {
  return ['_ashlar', ...node.path.split(' ').filter(Boolean)].join('_')
}

function lastWord(path: string): string {
  return path.split(' ').at(-1) ?? ''
}

function continued(lines: readonly string[]): string {
  return lines.join(' \\\n    ')
}

function withoutColons(text: string): string {
  return text.replaceAll(':', '\\:')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
