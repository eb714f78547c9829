import { AshlarError } from '../../src/core/index.ts'

/** A reader of bytes from outside, and what it promises whatever these are. */
export interface FuzzTarget {
  readonly name: string
  /** How its inputs are changed: as a JSON value, as lines and words, or as bytes. */
  readonly form: 'json' | 'text' | 'bytes'
  /** Inputs that it accepts; everything else is made from these. */
  readonly seeds: readonly (string | Uint8Array)[]
  /** Words that mean something to it. */
  readonly words?: readonly string[]
  /**
   * Reads an input. It may refuse with an error of these folders' own; whatever else it throws is a finding, and so is a
   * promise of the reader that does not hold, thrown by `promise`.
   */
  readonly read: (input: Uint8Array) => unknown
  readonly refuses: readonly (new (...args: never[]) => Error)[]
}

/** Bytes of an input: enough for what is quadratic to be seen, few enough to try thousands a second. */
export const inputBytesMax = 64 * 1024
/** An error is shown, logged and sent: it does not grow with what was refused. */
const messageCharactersMax = 16 * 1024

/** Reads one input. What the target promises and does not keep is thrown; else it says whether the input was accepted. */
export async function tryInput(target: FuzzTarget, input: Uint8Array): Promise<'accepted' | 'refused'> {
  try {
    await target.read(input)
    return 'accepted'
  } catch (error) {
    if (!target.refuses.some((kind) => error instanceof kind)) throw error
    const text = error instanceof AshlarError ? `${error.message}${error.where}${error.hint}` : String(error)
    promise(text.length <= messageCharactersMax, `the error has ${text.length} characters`)
    return 'refused'
  }
}

/** Where a refusal is a value: thrown by the target itself, so that it is told apart from what is accepted. */
export class RefusedByFindings extends Error {}

export class BrokenPromise extends Error {}

export function promise(holds: boolean, what: string): void {
  if (!holds) throw new BrokenPromise(what)
}

export function textOf(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8')
}
