import type { Assignment } from '../api/index.ts'
import {
  type Architecture,
  type Digest,
  otherSlot,
  type Reason,
  type ReleaseDocument,
  releaseIn,
  type Slot,
  type SlotName,
  shortDigest,
  unreachable,
} from '../core/index.ts'
import { trialBoots } from '../disk/index.ts'
import { judgeFloor } from '../verify/index.ts'
import { spareBytes, trialMs } from './limits.ts'

/** What the node sees of itself. */
export interface Observed {
  readonly architecture: Architecture
  /** Name of the image whose release runs. */
  readonly image: string
  readonly running: {
    readonly slot: SlotName
    readonly release: Digest
    readonly state: Slot
  }
  /** The slot that does not run, and the bytes that a root image may have to fit into it. */
  readonly other: { readonly state: Slot; readonly roomBytes: number }
  /** Install number of the entry that would be written next. */
  readonly nextInstall: number
  /** Bytes free where downloads are kept, and how many lie there: of this one, or to be given back for it. */
  readonly incoming: { readonly roomBytes: number; readonly heldBytes: number }
  readonly floor: number
  /** The journal says that a first step was taken in time. */
  readonly begun: boolean
  /** Install number under which the journal says that the boot loader was told of this release. */
  readonly tried?: number | undefined
}

/** An assignment and a release whose signatures were found good, with what the release says of itself. */
export interface Desired {
  readonly assignment: Assignment
  readonly document: ReleaseDocument
  /** Bytes of the compressed root. */
  readonly blobBytes: number
}

export type Step =
  | { readonly do: 'clear'; readonly slot: SlotName }
  | { readonly do: 'stage'; readonly slot: SlotName; readonly release: Digest }
  | { readonly do: 'check'; readonly slot: SlotName; readonly release: Digest }
  | { readonly do: 'try'; readonly slot: SlotName; readonly release: Digest; readonly install: number }
  | { readonly do: 'prepare'; readonly install: number }
  | { readonly do: 'reboot' }
  | { readonly do: 'await-health'; readonly withinMs: number }

export type Plan =
  | { readonly is: 'steps'; readonly steps: readonly Step[] }
  | { readonly is: 'done' }
  | { readonly is: 'blocked'; readonly reason: Reason }

/** The way from what is to what is wanted, or why there is none. Pure: asked again after every crash. */
export function plan(observed: Observed, desired: Desired, now: number): Plan {
  const { running } = observed
  const { assignment } = desired
  if (running.release === assignment.release) return planRunning(observed)
  const reason = whyNot(observed, desired, now)
  if (reason !== undefined) return { is: 'blocked', reason }

  const slot = otherSlot(running.slot)
  const { state } = observed.other
  const install = observed.nextInstall
  const boot: readonly Step[] = [{ do: 'reboot' }, { do: 'await-health', withinMs: trialMs }]
  const attempt: readonly Step[] = [
    { do: 'try', slot, release: assignment.release, install },
    { do: 'prepare', install },
    ...boot,
  ]
  if (releaseIn(state) !== assignment.release)
    return {
      is: 'steps',
      steps: [{ do: 'clear', slot }, { do: 'stage', slot, release: assignment.release }, ...attempt],
    }
  if (observed.tried !== undefined && state.is === 'trial')
    return { is: 'steps', steps: [{ do: 'prepare', install: observed.tried }, ...boot] }
  return { is: 'steps', steps: [{ do: 'check', slot, release: assignment.release }, ...attempt] }
}

function planRunning({ running: { slot, state }, other }: Observed): Plan {
  switch (state.is) {
    case 'good':
      // What an earlier order brought is not wanted any more, and the next boot would try it.
      if (other.state.is !== 'staged' && other.state.is !== 'trial') return { is: 'done' }
      return { is: 'steps', steps: [{ do: 'clear', slot: otherSlot(slot) }] }
    case 'trial':
      return { is: 'steps', steps: [{ do: 'await-health', withinMs: trialMs }] }
    case 'bad':
      return { is: 'blocked', reason: state.why }
    case 'staged':
    case 'empty':
      // Its entry was taken away under the running system; only an install into the other slot mends that.
      return {
        is: 'blocked',
        reason: { code: 'entry-missing', message: 'the running release has no boot entry' },
      }
    default:
      return unreachable(state)
  }
}

function whyNot(
  observed: Observed,
  { assignment, document, blobBytes }: Desired,
  now: number,
): Reason | undefined {
  const disk = document.disks[observed.architecture]
  if (document.form !== 'system')
    return {
      code: 'not-a-system',
      message: `${document.name} ${document.version} is a container, not a system`,
    }
  // Counters and floors order the releases of one image. The signature binds a digest, not an image, so that without
  // this a stolen director key could move the node to any image that the same release keys ever signed.
  if (document.name !== observed.image)
    return {
      code: 'another-image',
      message: `the node runs ${observed.image}, and this is a release of ${document.name}`,
    }
  if (disk === undefined)
    return {
      code: 'architecture-missing',
      message: `the release has no disk form for ${observed.architecture}`,
    }
  const belowFloor = judgeFloor(document.counter, observed.floor)
  if (belowFloor !== undefined) return belowFloor
  if (!observed.begun && now > assignment.beginUntil)
    return { code: 'assignment-late', message: 'the order was to be begun before now' }
  if (releaseIn(observed.other.state) === assignment.release) return undefined
  return (
    roomFor('slot', disk.root.sizeBytes, observed.other.roomBytes) ??
    roomFor('download', blobBytes - observed.incoming.heldBytes, observed.incoming.roomBytes)
  )
}

/** There is not enough room to begin, or to go on. */
export const spaceMissing = 'space-missing'

function roomFor(place: string, needBytes: number, roomBytes: number): Reason | undefined {
  if (needBytes + spareBytes <= roomBytes) return undefined
  return {
    code: spaceMissing,
    message: `the ${place} needs ${needBytes} bytes and ${spareBytes} to spare, and there are ${roomBytes}`,
  }
}

/** A step as a person reads it. */
export function sayStep(step: Step): string {
  switch (step.do) {
    case 'clear':
      return `clear slot ${step.slot}`
    case 'stage':
      return `stage ${sayRelease(step.release)} to slot ${step.slot}`
    case 'check':
      return `check ${sayRelease(step.release)} in slot ${step.slot}`
    case 'try':
      return `try slot ${step.slot}, ${trialBoots} boots`
    case 'prepare':
      return 'have the slot checked'
    case 'reboot':
      return 'reboot'
    case 'await-health':
      return `await health ${step.withinMs / 1_000} s`
    default:
      return unreachable(step)
  }
}

function sayRelease(release: Digest): string {
  return `sha256:${shortDigest(release)}…`
}
