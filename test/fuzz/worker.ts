import { parentPort, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import { type Announced, announcer } from './announce.ts'
import { openCoverage } from './coverage.ts'
import { inputsOf } from './mutations.ts'
import { shorten } from './shorten.ts'
import { BrokenPromise, type FuzzTarget, tryInput } from './target.ts'

/** What a worker is told: whom to try, for how long, and from which seed. */
export interface FuzzOrder {
  /** Module whose `targets` these are. */
  readonly module: string
  readonly names: readonly string[]
  readonly secondsEach: number
  readonly seed: number
  readonly coverage: boolean
  /** For making a finding smaller. */
  readonly shortenMs: number
  readonly announced: Announced
}

export interface FuzzFinding {
  readonly error: string
  readonly input: Uint8Array
}

/** What became of one target. */
export interface FuzzReport {
  readonly name: string
  readonly seconds: number
  readonly runs: number
  readonly accepted: number
  /** Inputs that were kept because they reached code that none before had. */
  readonly kept: number
  readonly findings: readonly FuzzFinding[]
}

/** Of a processor's time; more is a finding, for a second is what a person waits for an error. */
const slowMs = 1_000
const batchMs = 300
const keptMax = 1_000

if (parentPort !== null) {
  const order = workerData as FuzzOrder
  const { targets } = (await import(order.module)) as { readonly targets: readonly FuzzTarget[] }
  for (const name of order.names) {
    const target = targets.find((one) => one.name === name)
    if (target === undefined) throw new Error(`there is no target ${name}`)
    parentPort.postMessage(await fuzz(target, order))
  }
}

async function fuzz(target: FuzzTarget, order: FuzzOrder): Promise<FuzzReport> {
  const announce = announcer(order.announced, order.names.indexOf(target.name))
  const known: Uint8Array[] = target.seeds.map((seed) => Buffer.from(seed))
  const findings = new Map<string, FuzzFinding>()
  let coverage = order.coverage ? await openCoverage() : undefined
  let [runs, accepted, tried] = [0, 0, [] as Uint8Array[]]
  const judge = async (input: Uint8Array): Promise<void> => {
    runs++
    announce(input)
    const fault = await faultOf(target, input)
    if (fault === undefined) accepted++
    else if (fault instanceof Error && !findings.has(signatureOf(fault))) throw fault
  }
  const startedMs = performance.now()
  const elapsedMs = () => performance.now() - startedMs
  for (let [batch, count] = [0, 50]; elapsedMs() < order.secondsEach * 1_000; batch++) {
    // Code that is counted is slow: what was learned in the first third is used at full speed in the rest.
    if (elapsedMs() > (order.secondsEach * 1_000) / 3) coverage = await coverage?.close()
    const beganMs = performance.now()
    tried = []
    const property = fc.asyncProperty(inputsOf(target, [...known]), async (input) => {
      tried.push(input)
      await judge(input)
    })
    const outcome = await fc.check(property, {
      seed: (order.seed + batch) | 0,
      numRuns: count,
      endOnFailure: false,
    })
    const input = outcome.counterexample?.[0]
    if (outcome.failed && input !== undefined) {
      const fault = outcome.errorInstance
      const signature = signatureOf(fault)
      const short = await shorten(input, order.shortenMs, async (shorter) => {
        announce(shorter)
        const found = await faultOf(target, shorter)
        return found instanceof Error && signatureOf(found) === signature
      })
      findings.set(signature, { error: describe(fault), input: short })
    } else if (coverage !== undefined && known.length < keptMax) {
      // What these throw was found before, or is not there a second time.
      known.push(...(await coverage.newOf(tried, (input) => judge(input).catch(() => undefined))))
    }
    count = Math.max(20, Math.min(20_000, Math.round((count * batchMs) / (performance.now() - beganMs))))
  }
  announce(new Uint8Array())
  return {
    ...{ name: target.name, seconds: elapsedMs() / 1_000, runs, accepted },
    ...{ kept: known.length - target.seeds.length, findings: [...findings.values()] },
  }
}

/** Undefined where the input was accepted, `refused`, or what was thrown that no target may throw. */
async function faultOf(target: FuzzTarget, input: Uint8Array): Promise<Error | 'refused' | undefined> {
  // Of this thread alone: the machine may be busy elsewhere.
  const began = process.threadCpuUsage()
  try {
    const answer = await tryInput(target, input)
    const { user, system } = process.threadCpuUsage(began)
    if (user + system > slowMs * 1_000) return new BrokenPromise('takes longer than a second')
    return answer === 'refused' ? answer : undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${String(error)}`)
  }
}

/** Two faults of one kind at one place are one finding. */
function signatureOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  const place = /\n\s+at .*?((?:src|test\/fuzz\/targets)\/[^\s)]+)/.exec(fault.stack ?? '')?.[1]
  return `${fault.name} ${fault instanceof BrokenPromise ? fault.message.replace(/\d+/g, 'N') : ''} ${place}`
}

function describe(fault: unknown): string {
  const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)
  return text.length > 3_000 ? `${text.slice(0, 1_500)} … ${text.slice(-1_500)}` : text
}
