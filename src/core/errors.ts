/** What a person needs beside the message to mend the fault. */
export interface ErrorDetail {
  /** The place: a file and line, a URL, a digest, a node. */
  readonly where?: string | undefined
  /** The command or edit that mends it. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** An error is printed, logged and sent: it does not grow with what was refused. */
const charactersMax = 4_000

function clipped(text: string): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax)} … (${text.length} characters)`
}

/**
 * The base of every error that Ashlar throws on purpose. `code` is stable and is what tests and programs read; a
 * folder declares its own closed union of codes (`class BuildError extends AshlarError<'lock-stale' | …>`).
 * An exception means "we could not tell or could not do it"; a judgement that came out badly is a {@link Finding}.
 */
export class AshlarError<Code extends string = string> extends Error {
  readonly code: Code
  readonly where: string | undefined
  readonly hint: string | undefined

  constructor(code: Code, message: string, detail: ErrorDetail = {}) {
    super(clipped(message), detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = new.target.name
    this.code = code
    this.where = detail.where === undefined ? undefined : clipped(detail.where)
    this.hint = detail.hint === undefined ? undefined : clipped(detail.hint)
  }
}

/** One thing that a reader of a definition, a policy or evidence found wrong, with its place. */
export interface Finding {
  /** Stable name of the rule, kebab-case. */
  readonly code: string
  readonly message: string
  /** `ashlar.yaml:14 spec.packages[3]`, a digest, a check's name. */
  readonly where?: string | undefined
  readonly hint?: string | undefined
}

/** Ends a `switch` over a union: a new member fails to compile here, and at run time is a bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
