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
}

export type Progress = (event: ProgressEvent) => void

/** For callers that nobody watches. */
export const noProgress: Progress = () => undefined
