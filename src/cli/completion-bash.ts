import { type CommandNode, flatten, type OptionNode, takers } from './command-tree.ts'
import { fixedValues, type ValueSource } from './values.ts'

/**
 * Written for bash alone, without the functions of the package bash-completion, which not every host has. Bash takes
 * `gateway:1.1.0` for three words, so that the word is read from the line, and what stands before its last colon, `=` or
 * `@` is taken off the answers again.
 */
export function bashCompletion(root: CommandNode): string {
  const nodes = flatten(root)
  return `# bash completion for ashlar. Made by: ashlar completion bash
_ashlar() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() cur prev path='' count=0 word i from='' kept
  local takers='|${takers(nodes).join('|')}|'
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur=\${words[-1]} prev=\${words[-2]-}
  COMPREPLY=()
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    case "$path $word" in
${nodes.flatMap((node) => node.words.map(({ path }) => `      ${quote(`${node.path} ${lastWord(path)}`)}) path=${quote(path)} ;;`)).join('\n')}
      *' '-*) ;;
      *) [[ $takers == *"|$path \${words[i - 1]}|"* ]] || ((count++)) ;;
    esac
  done
  case "$path $prev" in
${nodes.flatMap((node) => node.options.flatMap((option) => valueCase(node, option))).join('\n')}
    *)
      if [[ $cur == -* ]]; then
        case "$path" in
${nodes.map((node) => `          ${quote(node.path)}) from=${quote(`= ${node.options.flatMap(({ flags }) => flags).join(' ')}`)} ;;`).join('\n')}
        esac
      else
        case "$path $count" in
${nodes.flatMap(wordCases).join('\n')}
        esac
      fi
      ;;
  esac
  case $from in
    =*) mapfile -t COMPREPLY < <(compgen -W "\${from:1}" -- "$cur") ;;
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    ?*) mapfile -t COMPREPLY < <(compgen -W "$(ashlar completion "$from" 2>/dev/null)" -- "$cur") ;;
  esac
  kept=\${cur%"\${cur##*[:=@]}"}
  [[ $COMP_WORDBREAKS == *[:=@]* && -n $kept ]] && COMPREPLY=("\${COMPREPLY[@]#"$kept"}")
  return 0
}
complete -F _ashlar ashlar`
}

function valueCase(node: CommandNode, { flags, value }: OptionNode): string[] {
  if (value === undefined) return []
  const patterns = flags.map((flag) => quote(`${node.path} ${flag}`)).join('|')
  return [`    ${patterns}) from=${quote(answers(value))} ;;`]
}

/** The words of a group, or what each argument of a command takes. */
function wordCases(node: CommandNode): string[] {
  if (node.words.length > 0)
    return [
      `          ${quote(`${node.path} 0`)}) from=${quote(`= ${node.words.map(({ path }) => lastWord(path)).join(' ')}`)} ;;`,
    ]
  return node.values.map(
    (value, index) => `          ${quote(`${node.path} ${index}`)}) from=${quote(answers(value))} ;;`,
  )
}

function answers(value: ValueSource | readonly string[]): string {
  const fixed = typeof value === 'string' ? fixedValues(value) : value
  if (fixed !== undefined) return `= ${fixed.join(' ')}`
  return value === 'none' ? '' : String(value)
}

function lastWord(path: string): string {
  return path.split(' ').at(-1) ?? ''
}

function quote(text: string): string {
  return `'${text}'`
}
