import { z } from 'zod'
import { reasonSchema } from '../api/index.ts'
import { jsonOf, longestCheckMs, otherSlot, type Reason } from '../core/index.ts'
import { entryOf } from '../disk/index.ts'
import { readText } from './files.ts'
import { judgeHealth, readChecks } from './health.ts'
import { trialAttemptsMax, trialMs } from './limits.ts'
import { giveUp, type Node, viewNode } from './node.ts'

/** What the health checks of this boot found; gone after the boot. */
const verdictSchema = z.strictObject({ reason: reasonSchema.optional() })

/** `agent health`: judges this boot. A trial that fails goes back at once; a confirmed release stays and is reported. */
export async function checkHealth(node: Node): Promise<boolean> {
  const reason = await judgeHealth(node.sys, node.paths)
  await node.sys.disk.mkdir(node.paths.runtime, { recursive: true })
  await node.sys.disk.writeDurably(verdictPath(node), JSON.stringify({ reason }))
  if (reason === undefined) return true
  node.log(`unhealthy: ${reason.message}`)
  if ((await viewNode(node)).running.is === 'trial') await giveUp(node, reason)
  return false
}

/** Why the checks of this boot failed, if they were made and did. */
export async function healthFault(node: Node): Promise<Reason | undefined> {
  return (await readVerdict(node))?.reason
}

/** Whether the checks of this boot have come to an end. */
export async function isJudged(node: Node): Promise<boolean> {
  return (await readVerdict(node)) !== undefined
}

/**
 * `agent confirm`, once the boot is complete: the release is good, its floor holds from now on, and what lies below that
 * in the other slot, or cannot be read there, is taken away. Each step may be done again after a crash; the entry's name
 * comes first, for it alone decides what boots next.
 */
export async function confirmBoot(node: Node): Promise<void> {
  const { slots, facts, memory, log } = node
  const { running, document } = await viewNode(node)
  if (running.is === 'trial') {
    await slots.bless(facts.install)
    log(`${document.name} ${document.version} is confirmed`)
  }
  if (running.is === 'trial' || running.is === 'good') await memory.raiseFloor(document.floor)
  await slots.bootCompleted(facts.install)
  await tidyOther(node)
}

/** Takes away what may not run any more, or never could; unless `run` is at that slot, which clears it first. */
async function tidyOther(node: Node): Promise<void> {
  const { slots, facts, memory, log } = node
  const { work } = await memory.read()
  if (work?.begun === true && work.tried?.install !== facts.install) return
  const other = otherSlot(facts.slot)
  const { entries, running, slots: states, floor } = await viewNode(node)
  if (running.is !== 'good' || states[other].is === 'empty') return
  const beside = await slots.document(other)
  // Not run any more, and what is wrong with it is still to be reported.
  if (beside === undefined && entryOf(other, entries)?.why !== undefined) return
  if (beside !== undefined && beside.counter >= floor) return
  const what =
    beside === undefined ? 'what cannot be read' : `${beside.name} ${beside.version}, below the floor`
  log(`${what} is taken away from slot ${other}`)
  await slots.clear(other)
}

/**
 * Whether this boot may go on: on trial, as soon as that is confirmed. A bad release is left, also where whoever marked
 * it was killed before the reboot. False: the machine is about to reboot.
 */
export async function mayStay(node: Node, onTrial: () => Promise<void>): Promise<boolean> {
  if ((await viewNode(node)).running.is === 'trial') {
    await onTrial()
    await untilJudged(node)
    // A confirmation that was killed after its first step is not made again: what waits for it says the rest.
    if ((await viewNode(node)).running.is === 'good') await node.slots.bootCompleted(node.facts.install)
  }
  const { running } = await viewNode(node)
  return running.is !== 'bad' || !(await giveUp(node, running.why))
}

/** Health and confirmation are units of their own; where one of them was killed, it is started again. */
async function untilJudged(node: Node): Promise<void> {
  const { sys, log, slots, facts } = node
  const until = sys.clock.monotonicMs() + trialMs + longestCheckMs(await readChecks(sys, node.paths))
  let attempts = 1
  while (sys.clock.monotonicMs() < until) {
    if ((await viewNode(node)).running.is !== 'trial') return
    if (await someUnitDied(node)) {
      if (++attempts > trialAttemptsMax) break
      log('health or confirmation was killed, and is started again')
      await sys.exec.run('systemctl', ['start', '--no-block', confirmUnit])
    }
    await sys.clock.sleep(200)
  }
  await slots.markBad(facts.install, { code: 'trial-unjudged', message: 'the checks did not come to an end' })
}

const healthUnit = 'ashlar-health.service'
const confirmUnit = 'ashlar-confirm.service'

/** A unit that failed although no check did: it was killed, or could not start. */
async function someUnitDied(node: Node): Promise<boolean> {
  const verdict = await readVerdict(node)
  if (verdict?.reason !== undefined) return false
  const unit = verdict === undefined ? healthUnit : confirmUnit
  const { stdout } = await node.sys.exec.run('systemctl', ['show', '--property=ActiveState', '--value', unit])
  return Buffer.from(stdout).toString('utf8').trim() === 'failed'
}

async function readVerdict(node: Node): Promise<z.infer<typeof verdictSchema> | undefined> {
  const verdict = verdictSchema.safeParse(jsonOf((await readText(node.sys, verdictPath(node))) ?? ''))
  return verdict.success ? verdict.data : undefined
}

function verdictPath({ paths }: Node): string {
  return `${paths.runtime}/health.json`
}
