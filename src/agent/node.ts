import type { Architecture, Reason, ReleaseDocument, Slot, SlotName } from '../core/index.ts'
import { chooseUsable, type SlotEntry, slotsOf } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { AgentError } from './errors.ts'
import type { BootFacts, NodePaths } from './node-files.ts'
import type { SlotStore } from './slot-store.ts'
import type { NodeMemory } from './state.ts'

/** All that a part of the agent works with. */
export interface Node {
  readonly sys: Sys
  readonly paths: NodePaths
  readonly facts: BootFacts
  readonly slots: SlotStore
  readonly memory: NodeMemory
  readonly architecture: Architecture
  readonly agentVersion: string
  readonly log: (line: string) => void
}

/** What the disk says now. */
export interface NodeView {
  readonly entries: readonly SlotEntry[]
  readonly slots: Readonly<Record<SlotName, Slot>>
  /** State of the slot that runs. */
  readonly running: Slot
  readonly document: ReleaseDocument
  readonly floor: number
}

export async function viewNode({ slots, facts, memory }: Node): Promise<NodeView> {
  const disk = await slots.read()
  const states = slotsOf({ ...disk, running: facts.install })
  const document = await slots.document(facts.slot)
  if (document === undefined)
    throw new AgentError('disk-malformed', `the files that prove the release in slot ${facts.slot} are gone`)
  const running = states[facts.slot]
  // The floor that the running release names counts once it is confirmed, even if the crash came before it was written down.
  const floor = Math.max(await memory.floor(), running.is === 'good' ? document.floor : 0)
  return { entries: disk.entries, slots: states, running, document, floor }
}

/**
 * Gives up what runs: marks it bad, with the reason, and reboots, if that leads to another release; says whether. Done
 * again after a crash it comes to the same end.
 */
export async function giveUp(node: Node, why: Reason): Promise<boolean> {
  const { slots, facts, log } = node
  await slots.markBad(facts.install, why)
  if (chooseUsable((await slots.read()).entries) === undefined) {
    log(`no other release is there to go back to: ${why.message}`)
    return false
  }
  log(`going back: ${why.message}`)
  await reboot(node)
  return true
}

/** Asks systemd for a reboot. Returns before it happens. */
export async function reboot({ sys }: Node): Promise<void> {
  const { exitCode, stderr } = await sys.exec.run('systemctl', ['reboot'])
  if (exitCode !== 0) throw new AgentError('reboot-refused', `systemctl reboot: ${stderr.trim()}`)
}
