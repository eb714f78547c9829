import type { Command, CommanderError } from 'commander'
import type { Failure } from './failure.ts'
import type { LogFormat } from './terminal.ts'

/** A wrong call becomes a failure like all others, so that `--json` and exit codes hold for it too. `words` is what was typed after `ashlar`. */
export function usageFailure(error: CommanderError, program: Command, words: readonly string[]): Failure {
  // Commander writes "error: …", and below it in parentheses what was most likely meant.
  const [message = '', ...rest] = error.message.split('\n')
  const meant = rest
    .join(' ')
    .replace(/^\((.*)\)$/, '; $1')
    .replace('; Did', '; did')
  const name = commandName(program, words)
  return {
    code: 'usage',
    message: `${message.replace(/^error: /, '')}${meant}`,
    // The words themselves may hold what belongs into a file, such as a token.
    where: name,
    hint: `${name} --help shows how it is called`,
  }
}

/** The command that the first words lead to: `ashlar machine start` for `machine start x`. */
function commandName(program: Command, words: readonly string[]): string {
  const names = [program.name()]
  let at = program
  for (const word of words) {
    const next = at.commands.find((command) => command.name() === word)
    if (next === undefined) break
    names.push(word)
    at = next
  }
  return names.join(' ')
}

/** The form that standard error is to have, by `--log-format` or `ASHLAR_LOG`; read before anything can go wrong. */
export function logFormatOf(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): LogFormat {
  const ours = words.slice(0, words.includes('--') ? words.indexOf('--') : undefined)
  const at = ours.findLastIndex((word) => /^--log-format(=|$)/.test(word))
  const given = ours[at]?.split('=')[1] ?? ours[at + 1]
  return (at === -1 ? environment.ASHLAR_LOG : given) === 'json' ? 'json' : 'text'
}
