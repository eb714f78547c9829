import type { Digest } from './digest.ts'

export const slotNames = ['a', 'b'] as const
/** A node has two places for a release. */
export type SlotName = (typeof slotNames)[number]

/** Why a release was refused, went bad or was left, as data that a program can act on. */
export interface Reason {
  /** Stable, kebab-case: `health-check-failed`, `boot-tries-used-up`, `signature-missing`, `below-floor` … */
  readonly code: string
  readonly message: string
  /** The health check that failed. */
  readonly check?: string | undefined
  readonly exitCode?: number | undefined
  /** The last lines that the failing part wrote, oldest first. */
  readonly lastLines?: readonly string[] | undefined
}

export type Slot =
  | { readonly is: 'empty' }
  /** Written whole and checked; nothing boots it yet. */
  | { readonly is: 'staged'; readonly release: Digest }
  | { readonly is: 'trial'; readonly release: Digest; readonly bootsLeft: number }
  | { readonly is: 'good'; readonly release: Digest }
  | { readonly is: 'bad'; readonly release: Digest; readonly why: Reason }

export function otherSlot(name: SlotName): SlotName {
  return name === 'a' ? 'b' : 'a'
}

/** The release that a slot holds, if any. */
export function releaseIn(slot: Slot): Digest | undefined {
  return slot.is === 'empty' ? undefined : slot.release
}
