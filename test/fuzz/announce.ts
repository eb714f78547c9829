import { inputBytesMax } from './target.ts'

/** Memory that a worker shares with who watches it: what it tries is there also when it hangs or dies. */
export type Announced = SharedArrayBuffer

const headBytes = 12

export function newAnnounced(): Announced {
  return new SharedArrayBuffer(headBytes + inputBytesMax)
}

/** Tells, before an input is tried, which target and which input it is. */
export function announcer(announced: Announced, target: number): (input: Uint8Array) => void {
  const head = new Int32Array(announced, 0, 3)
  const body = new Uint8Array(announced, headBytes)
  return (input) => {
    body.set(input.subarray(0, inputBytesMax))
    Atomics.store(head, 1, Math.min(input.length, inputBytesMax))
    Atomics.store(head, 2, target)
    Atomics.add(head, 0, 1)
  }
}

export interface LastAnnounced {
  /** Grows with each input. */
  readonly count: number
  /** Index among the targets that the worker was told. */
  readonly target: number
  readonly input: Uint8Array
}

export function lastAnnounced(announced: Announced): LastAnnounced {
  const [count = 0, length = 0, target = 0] = new Int32Array(announced, 0, 3)
  return { count, target, input: Uint8Array.from(new Uint8Array(announced, headBytes, length)) }
}
