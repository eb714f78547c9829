import { stripVTControlCharacters } from 'node:util'

/** What failed in a part of the test run, and what it said. */
export interface Failure {
  readonly name: string
  readonly text: string
}

/** What vitest and Node say of an error, as far as it is shown. */
export interface ShownError {
  readonly name?: string | undefined
  readonly message: string
  readonly code?: unknown
  readonly diff?: unknown
  readonly stack?: string | undefined
  readonly cause?: unknown
}

/** Of a log often only the end is read: so much of it may be failures, and no more. */
const limits = { failures: 10, lines: 40, message: 18, diff: 12, stack: 5, causes: 3, lineCharacters: 400 }

/** The failures of all parts, to stand at the end of the log. Nothing when there are none. */
export function printFailures(failures: readonly (Failure & { readonly part: string })[]): string {
  if (failures.length === 0) return ''
  const shown = failures.slice(0, limits.failures).map(({ part, name, text }) => {
    const lines = cut(stripVTControlCharacters(text).trimEnd().split('\n'), limits.lines)
    return [`-- ${part}: ${name}`, ...lines.map((line) => `   ${line}`), ''].join('\n')
  })
  const left = failures.length - shown.length
  return ['', ...shown, ...(left > 0 ? [`-- and ${left} more\n`] : []), ''].join('\n')
}

/** Message, difference, the stack's lines in this project, and what caused it. */
export function describeError(error: ShownError, causes = limits.causes): string {
  const code = typeof error.code === 'string' ? ` [${error.code}]` : ''
  const own = /^\s+at (?!.*(node_modules\/|node:|<anonymous>\)?$))/
  const { cause } = error
  return [
    ...cut(`${error.name ?? 'Error'}: ${error.message}${code}`.split('\n'), limits.message),
    ...(typeof error.diff === 'string' ? cut(error.diff.split('\n'), limits.diff) : []),
    ...(error.stack ?? '')
      .split('\n')
      .filter((line) => own.test(line))
      .slice(0, limits.stack),
    ...(isError(cause) && causes > 0 ? [`caused by ${describeError(cause, causes - 1)}`] : []),
  ].join('\n')
}

/** Of a program's output the end. */
export function lastLines(output: string): string {
  const lines = output.trimEnd().split('\n')
  return (lines.length > limits.lines ? ['…', ...lines.slice(1 - limits.lines)] : lines).join('\n')
}

function isError(value: unknown): value is ShownError {
  return typeof value === 'object' && value !== null && 'message' in value
}

function cut(lines: readonly string[], max: number): string[] {
  const narrow = (line: string) =>
    line.length > limits.lineCharacters ? `${line.slice(0, limits.lineCharacters)}…` : line
  if (lines.length <= max) return lines.map(narrow)
  return [...lines.slice(0, max - 1).map(narrow), `… ${lines.length - max + 1} more lines`]
}
