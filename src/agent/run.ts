import {
  type AssignmentAnswer,
  type NodeStatus,
  type Order,
  type Outcome,
  parseAssignment,
} from '../api/index.ts'
import { AshlarError, type Reason } from '../core/index.ts'
import { entryOf, isDiskFault, isDiskFull, launcherReasons } from '../disk/index.ts'
import { publicKeyDigest } from '../identity/index.ts'
import { judgeAssignment } from '../verify/index.ts'
import { type Applied, carryOut, type Phase } from './apply.ts'
import { healthFault, isJudged, mayStay } from './boot-judge.ts'
import type { NodeIdentity } from './enrol.ts'
import { AgentError } from './errors.ts'
import {
  backoffMs,
  firstWaitSeconds,
  ordersStaleMs,
  pollWaitSeconds,
  progressEveryMs,
  refusedMs,
} from './limits.ts'
import { type Node, type NodeView, viewNode } from './node.ts'
import { readTrustRoot } from './node-files.ts'
import { jittered, Reporter } from './reporter.ts'
import type { ServerLink } from './server-link.ts'
import { higherOrder, type NodeState, type Work } from './state.ts'

/** `agent run`: waits for orders and carries them out, for as long as the machine runs. */
export class Runner {
  readonly #node: Node
  readonly #identity: NodeIdentity
  readonly #link: ServerLink
  readonly #reporter: Reporter
  readonly #bootId: string
  #state: NodeState
  /** The order that was refused last: not asked for again for a while. No longer, for nobody has signed its number. */
  #refused: { readonly order: Order; readonly untilMs: number } | undefined
  #heardMs: number
  /** What was found damaged at this start: reported until the next. */
  readonly #faults: readonly Reason[]
  /** What of the node itself keeps the work from going on; it passes, or a person mends it. */
  #hindrance: Reason | undefined

  private constructor(
    node: Node,
    identity: NodeIdentity,
    link: ServerLink,
    bootId: string,
    state: NodeState,
    faults: readonly Reason[],
  ) {
    this.#node = node
    this.#identity = identity
    this.#link = link
    this.#reporter = new Reporter(node.sys, link)
    this.#bootId = bootId
    this.#state = state
    this.#faults = faults
    this.#heardMs = node.sys.clock.monotonicMs()
  }

  static async start(node: Node, identity: NodeIdentity, link: ServerLink): Promise<never> {
    const bootId = (await node.sys.disk.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    const faults = await mended(node)
    const runner = new Runner(node, identity, link, bootId, await node.memory.read(), faults)
    return runner.#run()
  }

  async #run(): Promise<never> {
    await this.#awaitTrial()
    await this.#settle(await viewNode(this.#node))
    for (let pauseMs: number = backoffMs.first; ; ) {
      try {
        await this.#report()
        await this.#turn()
        this.#hindrance = undefined
        pauseMs = backoffMs.first
      } catch (error) {
        const { code, message } = passing(error)
        this.#hindrance = localCodes.has(code) ? { code, message } : undefined
        this.#node.log(`${code}: ${message}; again in a while`)
        await this.#node.sys.clock.sleep(jittered(this.#node.sys, pauseMs))
        pauseMs = Math.min(pauseMs * 2, backoffMs.longest)
      }
    }
  }

  /** A boot on trial is judged before anything else is done; what comes of it is in the slot's state. */
  async #awaitTrial(): Promise<void> {
    if (!(await mayStay(this.#node, () => this.#report('trial')))) await this.#untilReboot()
  }

  /** Ends the assignment in the journal when the boot that it led to says how it ended. */
  async #settle(view: NodeView): Promise<void> {
    const { work } = this.#state
    if (work?.tried === undefined) return
    const { slot, install } = work.tried
    const tried = view.slots[slot]
    if (entryOf(slot, view.entries)?.install !== install) return
    const runs = this.#node.facts.install === install
    if (runs && tried.is === 'good') return this.#end(work, { is: 'confirmed' })
    if (tried.is === 'bad') return this.#end(work, { is: runs ? 'failed' : 'went-back', reason: tried.why })
  }

  /** One order: taken from the server, or found in the journal, and carried out as far as it goes. */
  async #turn(): Promise<void> {
    const answer = await this.#ask(await this.#waitSeconds())
    if (answer !== undefined) await this.#consider(answer)
    const { work } = this.#state
    if (work === undefined) return
    await this.#conclude(work, await this.#carryOut(work))
  }

  async #carryOut(work: Work): Promise<Applied> {
    const { memory } = this.#node
    const worker = {
      node: this.#node,
      repository: this.#link.repository(work.assignment.repository),
      now: await this.#now(),
      onPhase: this.#progress(work),
    }
    try {
      return await carryOut(worker, this.#state, work)
    } finally {
      // The journal went on while the order was carried out.
      this.#state = await memory.read()
    }
  }

  /** Not at all while there is work; briefly until this boot's checks have ended, for what they found is to be reported. */
  async #waitSeconds(): Promise<number> {
    if (this.#state.work !== undefined) return 0
    return (await isJudged(this.#node)) ? pollWaitSeconds : firstWaitSeconds
  }

  async #ask(waitSeconds: number): Promise<AssignmentAnswer | undefined> {
    const { clock } = this.#node.sys
    const refused = this.#refused
    const passed = refused !== undefined && clock.monotonicMs() < refused.untilMs
    const above = passed ? higherOrder(refused.order, this.#state.order) : this.#state.order
    const answer = await this.#link.assignment(above, waitSeconds)
    this.#heardMs = clock.monotonicMs()
    return answer
  }

  /** Accepts an order whose proof holds; it takes the place of one that is still under way. */
  async #consider({ order, envelope }: AssignmentAnswer): Promise<void> {
    const { sys, paths, log, memory } = this.#node
    const verdict = judgeAssignment({
      envelope,
      trust: await readTrustRoot(sys, paths),
      parse: parseAssignment,
      node: { name: this.#identity.node, keyDigest: publicKeyDigest(this.#identity.publicKey) },
      last: this.#state.order,
      now: await this.#now(),
    })
    if (verdict.is === 'refused') {
      log(`order ${order.epoch}.${order.number} is refused: ${verdict.reason.message}`)
      this.#refused = { order, untilMs: sys.clock.monotonicMs() + refusedMs }
      return this.#refuse(order, envelope.payload, verdict.reason)
    }
    const { assignment } = verdict
    log(`order ${assignment.order.epoch}.${assignment.order.number}: run ${assignment.release}`)
    this.#state = await memory.write({
      ...this.#state,
      order: assignment.order,
      seenAt: Math.max(this.#state.seenAt, assignment.issuedAt),
      work: { assignment, begun: false },
    })
  }

  /** Reports an order that is not believed. Its text is read only to name what is refused. */
  async #refuse(order: Order, payload: string, reason: Reason): Promise<void> {
    try {
      const { release } = parseAssignment(Buffer.from(payload, 'base64').toString('utf8'))
      this.#state = await this.#node.memory.write({
        ...this.#state,
        outcome: { order, release, is: 'refused', reason },
      })
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error
      this.#node.log(`the refused order cannot be read: ${error.message}`)
    }
  }

  async #conclude(work: Work, applied: Applied): Promise<void> {
    switch (applied.is) {
      case 'rebooting':
        await this.#reporter.flushed(1_000)
        return this.#untilReboot()
      case 'done':
        return this.#end(work, { is: 'confirmed' })
      default:
        return this.#end(work, applied)
    }
  }

  async #end(work: Work, how: Pick<Outcome, 'is' | 'reason'>): Promise<void> {
    const { order, release } = work.assignment
    const { work: _, ...rest } = this.#state
    this.#node.log(
      `order ${order.epoch}.${order.number}: ${how.is}${how.reason === undefined ? '' : `, ${how.reason.message}`}`,
    )
    this.#state = await this.#node.memory.write({ ...rest, outcome: { order, release, ...how } })
  }

  /** Never earlier than the release that runs was built, nor than the last time that a believed key signed. */
  async #now(): Promise<number> {
    const { document } = await viewNode(this.#node)
    return Math.max(this.#node.sys.clock.now(), document.epochSeconds * 1_000, this.#state.seenAt)
  }

  #progress(work: Work): (phase: Phase, done: number, total: number) => void {
    let saidMs = Number.NEGATIVE_INFINITY
    let said: Phase | undefined
    return (phase, bytesDone, bytesTotal) => {
      const nowMs = this.#node.sys.clock.monotonicMs()
      const { last } = this.#reporter
      if (last === undefined || (phase === said && nowMs - saidMs < progressEveryMs)) return
      said = phase
      saidMs = nowMs
      this.#reporter.say({ ...last, working: { order: work.assignment.order, phase, bytesDone, bytesTotal } })
    }
  }

  async #report(phase?: 'trial'): Promise<void> {
    const { facts, agentVersion } = this.#node
    const view = await viewNode(this.#node)
    const { work, outcome } = this.#state
    const status: NodeStatus = {
      agentVersion,
      bootId: this.#bootId,
      running: {
        slot: facts.slot,
        release: facts.release,
        root: facts.root,
        measuredBy: facts.measuredBy,
        confirmed: view.running.is === 'good',
      },
      slots: view.slots,
      floor: view.floor,
      ...(work !== undefined && {
        working: { order: work.assignment.order, phase: phase ?? 'verifying', bytesDone: 0, bytesTotal: 0 },
      }),
      ...(outcome !== undefined && { outcome }),
      warnings: await this.#warnings(view),
    }
    this.#reporter.say(status)
  }

  async #warnings(view: NodeView): Promise<NodeStatus['warnings']> {
    const fault = view.running.is === 'trial' ? undefined : await healthFault(this.#node)
    const stale = this.#node.sys.clock.monotonicMs() - this.#heardMs > ordersStaleMs
    // From the entries, for a slot whose files cannot be read shows no release.
    const notRun = view.entries.flatMap(({ why }) =>
      why !== undefined && launcherReasons.some((code) => code === why.code) ? [why] : [],
    )
    return [
      ...(fault === undefined ? [] : [fault]),
      ...(stale ? [{ code: 'orders-stale', message: 'the server has not answered for a while' }] : []),
      ...(this.#hindrance === undefined ? [] : [this.#hindrance]),
      ...this.#faults,
      ...notRun,
    ]
  }

  async #untilReboot(): Promise<never> {
    for (;;) await this.#node.sys.clock.sleep(backoffMs.longest)
  }
}

/** What of the journal was damaged; it is whole again then, as far as it can be. A full disk leaves that for the next start. */
async function mended({ memory, log }: Node): Promise<readonly Reason[]> {
  const faults = await memory.mend().catch((error: unknown) => {
    if (!(error instanceof AgentError) || error.code !== 'disk-full') throw error
    return memory.faults()
  })
  for (const { code, message, where } of faults) log(`${code}: ${message} (${where})`)
  return faults.map(({ code, message, where }) => ({ code, message: `${message} (${where})` }))
}

/** Of the node's own, and so worth a warning; that the server cannot be reached it would not hear. */
const localCodes = new Set(['disk-full', 'disk-fault', 'disk-malformed', 'folder-malformed'])

/** A fault that may pass, as code and message. What else is thrown is a bug: the agent ends, and systemd starts it again. */
function passing(error: unknown): Reason {
  if (error instanceof AshlarError) return { code: error.code, message: error.message }
  if (isDiskFull(error)) return { code: 'disk-full', message: error.message }
  if (isDiskFault(error)) return { code: 'disk-fault', message: error.message }
  throw error
}
