import { Session } from 'node:inspector/promises'

export interface Coverage {
  /** Those of the inputs that reach a block of `src` that none before reached; at most {@link foundMax}. */
  newOf(
    inputs: readonly Uint8Array[],
    run: (input: Uint8Array) => Promise<void>,
  ): Promise<readonly Uint8Array[]>
  close(): Promise<undefined>
}

const foundMax = 16

/** V8's own block counts, which each reading sets back to none. */
export async function openCoverage(): Promise<Coverage> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const seen = new Set<string>()
  const read = async (): Promise<readonly string[]> => {
    const { result } = await session.post('Profiler.takePreciseCoverage')
    return result
      .filter(({ url }) => url.includes('/src/'))
      .flatMap(({ scriptId, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges
            .filter(({ count }) => count > 0)
            .map((range) => `${scriptId}:${range.startOffset}:${range.endOffset}`),
        ),
      )
      .filter((block) => !seen.has(block))
  }
  const search = async (
    inputs: readonly Uint8Array[],
    run: (input: Uint8Array) => Promise<void>,
    found: Uint8Array[],
  ): Promise<void> => {
    if (inputs.length === 0 || found.length >= foundMax) return
    for (const input of inputs) await run(input)
    const blocks = await read()
    if (blocks.length === 0) return
    const [first] = inputs
    if (inputs.length === 1 && first !== undefined) {
      for (const block of blocks) seen.add(block)
      found.push(first)
      return
    }
    const half = Math.ceil(inputs.length / 2)
    await search(inputs.slice(0, half), run, found)
    await search(inputs.slice(half), run, found)
  }
  return {
    async newOf(inputs, run) {
      const blocks = await read()
      if (blocks.length === 0) return []
      const found: Uint8Array[] = []
      await search(inputs, run, found)
      for (const block of blocks) seen.add(block)
      return found
    },
    async close() {
      await session.post('Profiler.stopPreciseCoverage')
      await session.post('Profiler.disable')
      session.disconnect()
      return undefined
    },
  }
}
