import type { Progress, ProgressEvent } from '../core/index.ts'
import type { Clock } from '../sys/index.ts'

/** Standard output and error of the command. Results go to the first, all else to the second. */
export interface Terminal {
  readonly colour: boolean
  /** Whether standard error is a terminal that lines can be drawn over on. */
  readonly live: boolean
  result(text: string): void
  error(text: string): void
  /** One line for people, on standard error. */
  note(text: string): void
  progress: Progress
  /** Leaves the line that progress was drawn on. */
  endProgress(): void
}

interface Streams {
  readonly out: { write(text: string): unknown }
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }
}

/** A line is drawn again at most this often. */
const redrawMs = 100

export function createTerminal(
  streams: Streams,
  clock: Clock,
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  const live = streams.err.isTTY === true
  const colour = live && environment.NO_COLOR === undefined && environment.TERM !== 'dumb'
  let step: { readonly name: string; readonly startedMs: number; readonly startedAt: number } | undefined
  let drawnMs = Number.NEGATIVE_INFINITY
  let drawn = false

  const endProgress = () => {
    if (drawn) streams.err.write('\n')
    drawn = false
    step = undefined
  }

  const progress = (event: ProgressEvent) => {
    // There was nothing to do.
    if (event.total === 0) return
    const nowMs = clock.monotonicMs()
    const ended = event.total !== undefined && event.done >= event.total
    if (step?.name !== event.step) endProgress()
    step ??= { name: event.step, startedMs: nowMs, startedAt: event.done }
    const { startedMs, startedAt } = step
    if (!live) {
      if (ended) {
        streams.err.write(`${describe(event, nowMs - startedMs, startedAt)}\n`)
        step = undefined
      }
      return
    }
    if (!ended && nowMs - drawnMs < redrawMs) return
    drawnMs = nowMs
    const width = (streams.err.columns ?? 80) - 1
    streams.err.write(`\r\u001b[K${describe(event, nowMs - startedMs, startedAt).slice(0, width)}`)
    drawn = true
    if (ended) endProgress()
  }

  return {
    colour,
    live,
    result: (text) => void streams.out.write(text === '' ? '' : `${text}\n`),
    error: (text) => void streams.err.write(`${text}\n`),
    note: (text) => {
      endProgress()
      streams.err.write(`${text}\n`)
    },
    progress,
    endProgress,
  }
}

/** `fetch packages  41 %  48.1/117.0 MB  11.2 MB/s  6 s left` */
export function describe(event: ProgressEvent, elapsedMs: number, startedAt = 0): string {
  const { step, done, total, unit } = event
  const seconds = elapsedMs / 1_000
  const rate = seconds > 0 ? (done - startedAt) / seconds : 0
  const amount = (count: number) => (unit === 'bytes' ? (count / 1e6).toFixed(1) : String(count))
  const parts = [step]
  if (total !== undefined && total > 0) parts.push(`${Math.floor((100 * done) / total)} %`)
  if (unit === 'bytes') parts.push(`${amount(done)}${total === undefined ? '' : `/${amount(total)}`} MB`)
  else if (total !== 1) parts.push(`${amount(done)}${total === undefined ? '' : `/${amount(total)}`}`)
  if (unit === 'bytes' && rate > 0) parts.push(`${amount(rate)} MB/s`)
  if (total !== undefined && done < total && rate > 0)
    parts.push(`${Math.ceil((total - done) / rate)} s left`)
  else if (total !== undefined && done >= total) parts.push(`${seconds.toFixed(1)} s`)
  return parts.join('  ')
}
