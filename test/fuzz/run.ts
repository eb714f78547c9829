import { Worker } from 'node:worker_threads'
import { type Announced, lastAnnounced, newAnnounced } from './announce.ts'
import type { FuzzOrder, FuzzReport } from './worker.ts'

export interface FuzzOptions
  extends Pick<FuzzOrder, 'module' | 'names' | 'secondsEach' | 'seed' | 'coverage' | 'shortenMs'> {
  /** A case that takes longer hangs. */
  readonly hangMs: number
  readonly onReport: (report: FuzzReport) => void
}

/** Old space of a worker; a target that needs more for an input of 64 KiB is not bounded. */
const heapMegabytesMax = 512

/** Tries targets in a worker, one after the other. One that hangs or dies ends it, and the next goes on with the rest. */
export async function runFuzz(options: FuzzOptions): Promise<readonly FuzzReport[]> {
  const reports: FuzzReport[] = []
  let names = options.names
  while (names.length > 0) {
    const announced = newAnnounced()
    const began = names
    const startedMs = performance.now()
    const ended = await runWorker({ ...options, names, announced }, (report) => {
      reports.push(report)
      options.onReport(report)
      names = names.slice(1)
    })
    if (ended === undefined) continue
    const { target, input, count } = lastAnnounced(announced)
    const name = began[target] ?? names[0] ?? ''
    const report = {
      ...{ name, seconds: (performance.now() - startedMs) / 1_000, runs: count, accepted: 0, kept: 0 },
      findings: [{ error: ended, input }],
    }
    reports.push(report)
    options.onReport(report)
    names = names.filter((one) => one !== name)
  }
  return reports
}

/** Undefined when the worker came to its end; else why it was ended. */
function runWorker(
  { hangMs, onReport: _, ...order }: FuzzOptions & { readonly announced: Announced },
  onReport: (report: FuzzReport) => void,
): Promise<string | undefined> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
  })
  return new Promise((resolve) => {
    let [last, changedAtMs] = [0, performance.now()]
    const watch = setInterval(() => {
      const { count } = lastAnnounced(order.announced)
      if (count !== last || count === 0) [last, changedAtMs] = [count, performance.now()]
      else if (performance.now() - changedAtMs > hangMs) end(`hangs: no end after ${hangMs} ms`)
    }, 200)
    const ended = Promise.withResolvers<string | undefined>()
    const end = ended.resolve
    void ended.promise.then(async (why) => {
      clearInterval(watch)
      await worker.terminate()
      resolve(why)
    })
    worker.on('message', onReport)
    worker.on('error', (error: Error) => end(`the worker died: ${error.stack ?? error.message}`))
    worker.on('exit', () => end(undefined))
  })
}
