import { type CommandNode, flatten, type OptionNode, takers } from './command-tree.ts'
import { fixedValues, type ValueSource } from './values.ts'

/** One line a word and an option; fish itself finds what fits. */
export function fishCompletion(root: CommandNode): string {
  const nodes = flatten(root)
  return `# fish completion for ashlar. Made by: ashlar completion fish
function __ashlar_at --description 'Whether the command so far is this one, with so many arguments'
    set -l path
    set -l count 0
    set -l last ''
    for word in (commandline -opc)[2..]
        if contains -- "$path $word" ${nodes.flatMap((node) => node.words.map(({ path }) => quote(`${node.path} ${path.split(' ').at(-1)}`))).join(' ')}
            set path (string trim -- "$path $word")
        else if not string match -q -- '-*' $word; and not contains -- "$path $last" ${takers(nodes).map(quote).join(' ')}
            set count (math $count + 1)
        end
        set last $word
    end
    test "$path" = "$argv[1]"; and begin
        test (count $argv) = 1; or test $count = $argv[2]
    end
end
complete -c ashlar -f
${nodes.flatMap((node) => [...node.words.map((word) => wordLine(node, word)), ...node.options.map((option) => optionLine(node, option)), ...node.values.flatMap((value, index) => valueLine(node, value, index))]).join('\n')}`
}

function wordLine(node: CommandNode, word: CommandNode): string {
  return `complete -c ashlar -n ${at(node)} -a ${word.path.split(' ').at(-1)} -d ${quote(word.summary)}`
}

function optionLine(node: CommandNode, { flags, description, value }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  const takes = value === undefined ? '' : ` -r ${answers(value)}`
  return `complete -c ashlar -n ${at(node)} ${names.join(' ')}${takes} -d ${quote(description)}`
}

function valueLine(node: CommandNode, value: ValueSource, index: number): string[] {
  if (value === 'none') return []
  return [`complete -c ashlar -n ${at(node, index)} ${answers(value)}`]
}

function at(node: CommandNode, count?: number): string {
  return `"__ashlar_at '${node.path}'${count === undefined ? '' : ` ${count}`}"`
}

function answers(value: ValueSource | readonly string[]): string {
  const fixed = typeof value === 'string' ? fixedValues(value) : value
  if (fixed !== undefined) return `-a ${quote(fixed.join(' '))}`
  if (value === 'files') return '-F'
  if (value === 'folders') return "-a '(__fish_complete_directories)'"
  return value === 'none' ? '' : `-a '(ashlar completion ${value} 2>/dev/null)'`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
