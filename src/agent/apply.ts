import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Digest,
  type DiskForm,
  digestFromHex,
  otherSlot,
  type Reason,
  type SlotName,
  unreachable,
} from '../core/index.ts'
import { entryOf, isDiskFault, isDiskFull, nextInstallNumber, trialEntry } from '../disk/index.ts'
import {
  bundlesOf,
  type OciDisk,
  OciError,
  type OciRelease,
  type Repository,
  readRelease,
} from '../oci/index.ts'
import { judgeRelease } from '../verify/index.ts'
import { fetchUnpacked, heldBytes, keptBytes } from './download.ts'
import { diskFull, Refusal } from './errors.ts'
import { type Node, reboot, viewNode } from './node.ts'
import { readTrustRoot } from './node-files.ts'
import { type Observed, type Plan, plan, type Step, sayStep, spaceMissing } from './plan.ts'
import type { NodeState, Work } from './state.ts'
import { isUpdateFault, planFromHeld } from './update.ts'

/** What the work is at, for the report. */
export type Phase = 'verifying' | 'downloading' | 'staging' | 'rebooting'

export interface Worker {
  readonly node: Node
  readonly repository: Repository
  readonly now: number
  readonly onPhase: (phase: Phase, done: number, total: number) => void
}

export type Applied =
  | { readonly is: 'rebooting' }
  | { readonly is: 'done' }
  | { readonly is: 'refused' | 'failed'; readonly reason: Reason }

/**
 * Carries an accepted order out as far as this boot goes: judges the release, plans, and walks the steps. What breaks
 * on the way for reasons of the network is thrown, and this is called again; nothing that was done is lost.
 */
export async function carryOut(worker: Worker, state: NodeState, work: Work): Promise<Applied> {
  worker.onPhase('verifying', 0, 0)
  const release = await judged(worker, work.assignment.release)
  if (!('document' in release)) return { is: 'refused', reason: release }
  for (;;) {
    const decision = await decide(worker, work, release)
    if (decision.is === 'blocked') {
      // Once it has begun, room that something else took is waited for: there was enough.
      if (work.begun && decision.reason.code === spaceMissing)
        throw diskFull(decision.reason.message, worker.node.paths.state)
      return { is: 'refused', reason: decision.reason }
    }
    if (decision.is === 'done') return { is: 'done' }
    worker.node.log(`plan: ${decision.steps.map(sayStep).join(', ')}`)
    const begun = { ...work, begun: true }
    const journal = work.begun ? state : await worker.node.memory.write({ ...state, work: begun })
    const end = await walk({ ...worker, state: journal, work: begun, release }, decision.steps)
    if (end !== 'plan again') return end
  }
}

/** The release, if enough release keys that the running image believes have signed it; else why not. */
async function judged({ node, repository }: Worker, digest: Digest): Promise<OciRelease | Reason> {
  const trust = await readTrustRoot(node.sys, node.paths)
  const verdict = judgeRelease({ release: digest, bundles: await bundlesOf(repository, digest), trust })
  if (verdict.is === 'refused') {
    const why = verdict.findings.map(({ message }) => message)
    return { ...verdict.reason, message: [verdict.reason.message, ...why.slice(0, 3)].join('; ') }
  }
  try {
    return await readRelease(repository, digest)
  } catch (error) {
    if (error instanceof OciError && finalCodes.has(error.code))
      return { code: error.code, message: error.message }
    throw error
  }
}

/** What the registry holds is not what was ordered; asking again changes nothing. */
const finalCodes = new Set([
  'manifest-unknown',
  'release-malformed',
  'digest-mismatch',
  'size-mismatch',
  'content-too-large',
])

async function decide({ node, now }: Worker, work: Work, release: OciRelease): Promise<Plan> {
  const root = release.disk(node.architecture)?.root
  const desired = { assignment: work.assignment, document: release.document, blobBytes: root?.size ?? 0 }
  return plan(await observe(node, work), desired, now)
}

async function observe(node: Node, work: Work): Promise<Observed> {
  const { facts, architecture, slots, sys } = node
  const { running, document, slots: states, entries, floor } = await viewNode(node)
  const other = otherSlot(facts.slot)
  const { bavail, bsize } = await sys.disk.statfs(node.paths.state)
  const tried = work.tried !== undefined && entryOf(other, entries)?.install === work.tried.install
  return {
    architecture,
    image: document.name,
    running: { slot: facts.slot, release: facts.release, state: running },
    other: { state: states[other], roomBytes: await slots.roomBytes(other) },
    nextInstall: nextInstallNumber(entries),
    incoming: {
      roomBytes: bavail * bsize,
      heldBytes: await keptBytes(sys, incomingFolder(node)),
    },
    floor,
    begun: work.begun,
    tried: tried ? work.tried?.install : undefined,
  }
}

type Walk = Worker & {
  readonly state: NodeState
  readonly work: Work
  readonly release: OciRelease
}

async function walk(walker: Walk, steps: readonly Step[]): Promise<Applied | 'plan again'> {
  try {
    for (const step of steps) {
      const end = await take(walker, step)
      if (end !== undefined) return end
    }
    return 'plan again'
  } catch (error) {
    if (error instanceof Refusal) return { is: 'refused', reason: error.reason }
    if (!isDiskFull(error)) throw error
    await giveRoomBack(walker)
    throw diskFull('the disk became full while the release was staged', walker.node.paths.state, error)
  }
}

/** One step; an answer ends the walk. Each may be taken again after a crash. */
async function take(walker: Walk, step: Step): Promise<Applied | 'plan again' | undefined> {
  const { node, state, work } = walker
  switch (step.do) {
    case 'clear':
      return void (await node.slots.clear(step.slot))
    case 'stage':
      return void (await stage(walker, step))
    case 'check': {
      if (await isWhole(walker, step.slot)) return undefined
      node.log(`slot ${step.slot} does not hold what it should; it is fetched again`)
      await node.slots.clear(step.slot)
      return 'plan again'
    }
    case 'try': {
      // The journal first: after a crash between the two, an entry of this number is known to be this order's.
      await node.memory.write({
        ...state,
        work: { ...work, tried: { slot: step.slot, install: step.install } },
      })
      return void (await node.slots.commit(step.slot, step.release, trialEntry(step.install, step.release)))
    }
    case 'prepare': {
      walker.onPhase('rebooting', 0, 0)
      const prepared = await node.slots.prepare(step.install)
      return prepared.is === 'prepared' ? undefined : { is: 'failed', reason: prepared.reason }
    }
    case 'reboot':
      await reboot(node)
      return { is: 'rebooting' }
    case 'await-health':
      // Only a boot of the new release comes here, and that waits before it takes up work.
      return { is: 'rebooting' }
    default:
      return unreachable(step)
  }
}

async function stage(walker: Walk, { slot }: Extract<Step, { do: 'stage' }>): Promise<void> {
  const { node, release } = walker
  const disk = release.disk(node.architecture)
  const form = release.document.disks[node.architecture]
  if (disk === undefined || form === undefined) throw new Error('planned without a disk form')
  if (!(await stageFromHeld(walker, slot, disk, form))) await stageWhole(walker, slot, disk, form)
  await node.slots.seal(slot, release.files)
}

/** Puts the image together from the one that runs and what is new. False where only the whole blob will do. */
async function stageFromHeld(
  { node, repository, onPhase }: Walk,
  slot: SlotName,
  disk: OciDisk,
  form: DiskForm,
): Promise<boolean> {
  const { sys, slots } = node
  const folder = incomingFolder(node)
  // A beginning of the whole blob is there: less is missing than would be fetched twice.
  if ((await heldBytes(sys, folder, disk.root.digest)) > 0) return false
  try {
    const update = await planFromHeld({
      ...{ sys, folder, repository, slots, from: node.facts.slot },
      root: { blob: disk.root, content: form.root },
      verity: { blob: disk.verity, content: form.verity },
      onBytes: (done, total) => onPhase(done < total ? 'downloading' : 'staging', done, total),
    })
    if (update === undefined) return false
    node.log(`fetching ${update.bytes} of ${disk.root.size + disk.verity.size} bytes: the rest is here`)
    await slots.writeRoot(slot, update.content())
    await update.forget()
    return true
  } catch (error) {
    if (!isUpdateFault(error)) throw error
    node.log(`what is here does not make the new image (${error}); it is fetched whole`)
    return false
  }
}

async function stageWhole(
  { node, repository, onPhase }: Walk,
  slot: SlotName,
  disk: OciDisk,
  form: DiskForm,
): Promise<void> {
  const folder = incomingFolder(node)
  onPhase('downloading', await heldBytes(node.sys, folder, disk.root.digest), disk.root.size)
  const onBytes = (done: number) =>
    onPhase(done < disk.root.size ? 'downloading' : 'staging', done, disk.root.size)
  await fetchUnpacked(
    { sys: node.sys, repository, blob: disk.root, content: form.root, folder, onBytes },
    (plain) => node.slots.writeRoot(slot, plain),
  )
}

/** What was half staged goes: the release that runs needs the room for its own writes. What is whole stays. */
async function giveRoomBack({ node }: Walk): Promise<void> {
  const other = otherSlot(node.facts.slot)
  if ((await node.slots.document(other)) === undefined) await node.slots.clear(other)
  await node.sys.disk.rm(incomingFolder(node), { recursive: true, force: true })
}

/** Whether a slot's image and the files that prove its release are what they must be: the launcher asks for both. */
async function isWhole(
  { node, release }: Walk,
  slot: Extract<Step, { do: 'check' }>['slot'],
): Promise<boolean> {
  if ((await node.slots.document(slot)) === undefined) return false
  const hash = createHash('sha256')
  try {
    for await (const chunk of node.slots.readRoot(slot)) hash.update(chunk)
  } catch (error) {
    if (isDiskFault(error)) return false
    throw error
  }
  return digestFromHex(hash.digest('hex')) === release.document.disks[node.architecture]?.root.digest
}

function incomingFolder(node: Node): string {
  return join(node.paths.state, 'incoming')
}
