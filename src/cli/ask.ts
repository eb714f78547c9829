import type { Context } from './context.ts'

interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean
  unref?(): unknown
}

/**
 * Asks a person and returns the line that was typed, without its end; undefined where nobody is there to answer.
 * The terminal itself edits the line; what is typed is read for this question alone.
 */
export function createAsk(
  input: Input,
  output: { write(text: string): unknown; readonly isTTY?: boolean },
  signal: AbortSignal,
): Context['ask'] {
  if (input.isTTY !== true || output.isTTY !== true) return undefined
  let lines: AsyncIterator<string> | undefined
  return async (question) => {
    output.write(question)
    lines ??= linesOf(input)
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    try {
      const { value, done } = await Promise.race([lines.next(), stopped])
      if (done !== true) return value
      // The end of the input is no answer; the cursor still stands behind the question.
      output.write('\n')
      return ''
    } finally {
      // What may still be typed keeps nobody waiting.
      input.unref?.()
    }
  }
}

async function* linesOf(input: Input): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of input) {
    const lines = `${rest}${chunk.toString()}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
