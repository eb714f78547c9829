type Environment = Readonly<Record<string, string | undefined>>

/**
 * Whether a stream is written in colour. Who asks for none gets none, whatever else is asked for; who forces it gets it
 * in a file, too. After no-color.org and force-color.org (a variable that is set but empty counts for nothing) and the
 * CLICOLOR convention of the BSDs.
 */
export function hasColour(environment: Environment, isTerminal: boolean): boolean {
  const { NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM } = environment
  if (isSet(NO_COLOR) || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false
  if (isSet(FORCE_COLOR) || (isSet(CLICOLOR_FORCE) && CLICOLOR_FORCE !== '0')) return true
  return isTerminal && TERM !== 'dumb' && CLICOLOR !== '0'
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Makes text of a colour where there is colour, and leaves it as it is elsewhere. */
export function painter(colour: boolean): (style: keyof typeof codes, text: string) => string {
  return (style, text) => (colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text)
}
