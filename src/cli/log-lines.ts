import type { ProgressEvent } from '../core/index.ts'
import type { Clock } from '../sys/index.ts'
import type { Messages } from './terminal.ts'

/** A step that goes on says so at most this often. */
const progressMs = 1_000

/** What happens while a command runs as one JSON object a line, for programs that keep and search logs. */
export function logLines(err: { write(text: string): unknown }, clock: Clock): Messages {
  const line = (level: 'info' | 'progress' | 'error', fields: object) =>
    void err.write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), level, ...fields })}\n`)
  let step: { readonly name: string; readonly startedMs: number; readonly saidMs: number } | undefined

  const progress = (event: ProgressEvent) => {
    if (event.total === 0) return
    const nowMs = clock.monotonicMs()
    const ended = event.done === event.total
    const startedMs = step?.name === event.step ? step.startedMs : nowMs
    if (step?.name === event.step && !ended && nowMs - step.saidMs < progressMs) return
    step = ended ? undefined : { name: event.step, startedMs, saidMs: nowMs }
    line('progress', { ...event, seconds: (nowMs - startedMs) / 1_000 })
  }

  return {
    progress,
    endProgress: () => {
      step = undefined
    },
    error: (message) => line('error', { message }),
    failure: (failure) => line('error', failure),
    note: (message, fields) => line('info', { message, ...fields }),
  }
}
