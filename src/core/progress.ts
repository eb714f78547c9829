/**
 * How far a long step is. Called often; whoever shows it decides how often to draw.
 * `total` is absent while it is not known; `done` equals `total` when the step has ended.
 */
export interface ProgressEvent {
  /** What is done, in a few words that a person reads: `fetch packages`, `hash root image`. Also the step's identity. */
  readonly step: string
  readonly done: number
  readonly total?: number
  readonly unit: 'bytes' | 'items'
  /** Of a step that is measured in bytes, and goes through several things: which of them is under way. */
  readonly item?: { readonly number: number; readonly of: number }
}

export type Progress = (event: ProgressEvent) => void

/** Tells of work whose parts nobody can count: when it begins and when it has ended well. */
export async function asOneStep<T>(progress: Progress, step: string, work: () => Promise<T>): Promise<T> {
  progress({ step, done: 0, total: 1, unit: 'items' })
  const result = await work()
  progress({ step, done: 1, total: 1, unit: 'items' })
  return result
}

/** For callers that nobody watches. */
export const noProgress: Progress = () => undefined
