import type { Progress, ProgressEvent } from '../core/index.ts'
import type { Clock } from '../sys/index.ts'
import { hasColour } from './colour.ts'
import { type Failure, printFailure } from './failure.ts'
import { harmless } from './harmless.ts'
import { logLines } from './log-lines.ts'
import { fitTo } from './text-width.ts'

/** Standard output and error of the command. Results go to the first, all else to the second. */
export interface Terminal {
  /** Whether results are written in colour. */
  readonly colour: boolean
  /** Columns of standard output; undefined where it is no terminal and nobody said. */
  readonly columns: number | undefined
  /** The form of standard error. */
  readonly format: LogFormat
  result(text: string): void
  /** A result with colours of our own; what others wrote in it was made {@link harmless} before. */
  painted(text: string): void
  /** Text for people about a wrong call: the help of a group. */
  error(text: string): void
  failure(failure: Failure): void
  /** One line on standard error, for people; `fields` are the same for programs, and are only in a log of JSON. */
  note(text: string, fields?: object): void
  progress: Progress
  /** Leaves the line that progress was drawn on. */
  endProgress(): void
}

interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface Streams {
  readonly out: Stream
  readonly err: Stream
}

type Environment = Readonly<Record<string, string | undefined>>
export type LogFormat = 'text' | 'json'

/** What standard error shows while a command runs; a terminal draws it, a log has one line for each. */
export type Messages = Pick<Terminal, 'error' | 'failure' | 'note' | 'progress' | 'endProgress'>

/** A line is drawn again at most this often. */
const redrawMs = 100
const columnsDefault = 80

export function createTerminal(
  streams: Streams,
  clock: Clock,
  environment: Environment,
  format: LogFormat = 'text',
): Terminal {
  const { out, err } = streams
  // A terminal that was never told its size has none: 0.
  const columns = (out.isTTY === true ? out.columns : Number(environment.COLUMNS)) || undefined
  return {
    colour: hasColour(environment, out.isTTY === true),
    columns,
    format,
    result: (text) => void out.write(text === '' ? '' : `${harmless(text)}\n`),
    painted: (text) => void out.write(`${text}\n`),
    ...(format === 'json' ? logLines(err, clock) : messages(err, clock, environment)),
  }
}

function messages(err: Stream, clock: Clock, environment: Environment): Messages {
  // What draws over its line needs a terminal that can go back to its beginning.
  const live = err.isTTY === true && environment.TERM !== 'dumb'
  const colour = hasColour(environment, err.isTTY === true)
  let step: { readonly name: string; readonly startedMs: number; readonly startedAt: number } | undefined
  let drawnMs = Number.NEGATIVE_INFINITY
  let drawn = false

  const endProgress = () => {
    if (drawn) err.write('\n')
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
        err.write(`${describe(event, nowMs - startedMs, startedAt)}\n`)
        step = undefined
      }
      return
    }
    if (!ended && nowMs - drawnMs < redrawMs) return
    drawnMs = nowMs
    const width = (err.columns || columnsDefault) - 1
    err.write(`\r\u001b[K${fitTo(describe(event, nowMs - startedMs, startedAt), width)}`)
    drawn = true
    if (ended) endProgress()
  }

  const painted = (text: string) => {
    endProgress()
    err.write(`${text}\n`)
  }
  const line = (text: string) => painted(harmless(text))
  return {
    ...{ progress, endProgress, error: line, note: line },
    failure: (failure) => painted(printFailure(failure, colour)),
  }
}

/** `push blobs 3/57  41 %  48.1/117.0 MB  11.2 MB/s  6 s left` */
export function describe(event: ProgressEvent, elapsedMs: number, startedAt = 0): string {
  const { step, item, done, total, unit } = event
  const seconds = elapsedMs / 1_000
  const rate = seconds > 0 ? (done - startedAt) / seconds : 0
  const amount = (count: number) => (unit === 'bytes' ? (count / 1e6).toFixed(1) : String(count))
  const parts = [item === undefined ? step : `${step} ${item.number}/${item.of}`]
  if (total !== undefined && total > 0) parts.push(`${Math.floor((100 * done) / total)} %`)
  if (unit === 'bytes') parts.push(`${amount(done)}${total === undefined ? '' : `/${amount(total)}`} MB`)
  else if (total !== 1) parts.push(`${amount(done)}${total === undefined ? '' : `/${amount(total)}`}`)
  if (unit === 'bytes' && rate > 0) parts.push(`${amount(rate)} MB/s`)
  if (total !== undefined && done < total && rate > 0) parts.push(`${timeText((total - done) / rate)} left`)
  else if (total !== undefined && done >= total) parts.push(`${seconds.toFixed(1)} s`)
  return parts.join('  ')
}

function timeText(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}
