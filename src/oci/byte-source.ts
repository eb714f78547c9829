/** Exact counts of bytes out of chunks of any size; `ended` makes the error for chunks that end too early. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #ended: () => Error
  #chunk: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>, ended: () => Error) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#ended = ended
  }

  async take(count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(count)
    let filled = 0
    await this.pass(count, (part) => {
      bytes.set(part, filled)
      filled += part.length
    })
    return bytes
  }

  async skip(count: number): Promise<void> {
    await this.pass(count, () => undefined)
  }

  /** Hands on so many bytes, in pieces as they come. */
  async pass(count: number, use: (part: Uint8Array) => Promise<void> | void): Promise<void> {
    for (let left = count; left > 0; ) {
      if (this.#chunk.length === 0 && !(await this.#next())) throw this.#ended()
      const part = this.#chunk.subarray(0, left)
      await use(part)
      left -= part.length
      this.#chunk = this.#chunk.subarray(part.length)
    }
  }

  /** Hands on all that is left. */
  async passRest(use: (part: Uint8Array) => void): Promise<void> {
    do use(this.#chunk)
    while (await this.#next())
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    this.#chunk = done === true ? new Uint8Array() : value
    return done !== true
  }
}
