import { describe, expect, test } from 'vitest'
import type { Assignment } from '../api/index.ts'
import {
  counterOfVersion,
  digestFromHex,
  parseVersion,
  type ReleaseDocument,
  type Slot,
  type SlotName,
} from '../core/index.ts'
import { type Desired, type Observed, plan, sayStep } from './plan.ts'

const old = digestFromHex('1'.repeat(64))
const next = digestFromHex('9f'.repeat(32))
const why = { code: 'health-check-failed', message: 'web does not answer' }
const MiB = 1024 ** 2
const now = 1_000_000

const content = { digest: old, sizeBytes: 300 * MiB }
const document: ReleaseDocument = {
  apiVersion: 'ashlar/v1',
  kind: 'Release',
  name: 'gateway',
  version: parseVersion('1.1.0'),
  counter: counterOfVersion(parseVersion('1.1.0')),
  floor: 0,
  form: 'system',
  definition: old,
  lock: old,
  epochSeconds: 0,
  parameters: {},
  health: [],
  disks: { amd64: { root: content, verity: content, roothash: '0'.repeat(64), boot: content, kernel: '6' } },
}
const assignment: Assignment = {
  apiVersion: 'ashlar/v1',
  kind: 'Assignment',
  node: 'node-1',
  nodeKey: old,
  order: { epoch: 1, number: 2 },
  release: next,
  repository: 'gateway',
  issuedAt: now,
  beginUntil: now + 1,
}
const desired: Desired = { assignment, document, blobBytes: 100 * MiB }

function seen(change: Partial<Observed> & { runs?: SlotName; beside?: Slot } = {}): Observed {
  const { runs = 'a', beside = { is: 'empty' }, ...rest } = change
  return {
    architecture: 'amd64',
    image: 'gateway',
    running: { slot: runs, release: old, state: { is: 'good', release: old } },
    other: { state: beside, roomBytes: 1024 * MiB },
    nextInstall: 7,
    incoming: { roomBytes: 1024 * MiB, heldBytes: 0 },
    floor: 0,
    begun: false,
    ...rest,
  }
}

function said(observed: Observed, wanted = desired, at = now): readonly string[] | string {
  const decision = plan(observed, wanted, at)
  if (decision.is === 'steps') return decision.steps.map(sayStep)
  return decision.is === 'done' ? 'done' : decision.reason.code
}

const boot = ['reboot', 'await health 600 s']
const attempt = (slot: SlotName) => [`try slot ${slot}, 3 boots`, 'have the slot checked', ...boot]

describe('the plan', () => {
  test.each<[string, Observed, readonly string[]]>([
    [
      'a new release goes to the slot that does not run',
      seen(),
      ['clear slot b', 'stage sha256:9f9f9f9f9f9f… to slot b', ...attempt('b')],
    ],
    [
      'from slot b it goes to a',
      seen({ runs: 'b' }),
      ['clear slot a', 'stage sha256:9f9f9f9f9f9f… to slot a', ...attempt('a')],
    ],
    [
      'what another release holds is overwritten',
      seen({ beside: { is: 'bad', release: old, why } }),
      ['clear slot b', 'stage sha256:9f9f9f9f9f9f… to slot b', ...attempt('b')],
    ],
    [
      'what lies there already is checked, not fetched',
      seen({ beside: { is: 'good', release: next } }),
      ['check sha256:9f9f9f9f9f9f… in slot b', ...attempt('b')],
    ],
    [
      'a crash before the commit: checked and tried',
      seen({ beside: { is: 'staged', release: next }, begun: true }),
      ['check sha256:9f9f9f9f9f9f… in slot b', ...attempt('b')],
    ],
    [
      'a crash after the commit: only the boot is left',
      seen({ beside: { is: 'trial', release: next, bootsLeft: 3 }, begun: true, tried: 7 }),
      ['have the slot checked', ...boot],
    ],
    [
      'what was bad before is tried again when it is ordered again',
      seen({ beside: { is: 'bad', release: next, why } }),
      ['check sha256:9f9f9f9f9f9f… in slot b', ...attempt('b')],
    ],
    [
      'an order for what runs withdraws what an earlier order staged',
      seen({
        running: { slot: 'b', release: next, state: { is: 'good', release: next } },
        beside: { is: 'trial', release: old, bootsLeft: 3 },
      }),
      ['clear slot a'],
    ],
    [
      'a trial that runs is waited for',
      seen({ running: { slot: 'b', release: next, state: { is: 'trial', release: next, bootsLeft: 2 } } }),
      ['await health 600 s'],
    ],
  ])('%s', (_, observed, steps) => expect(said(observed)).toEqual(steps))

  test.each<[string, Observed, Desired, number, string]>([
    [
      'what runs and is confirmed',
      seen({ running: { slot: 'b', release: next, state: { is: 'good', release: next } } }),
      desired,
      now,
      'done',
    ],
    [
      'what runs as the last resort, and is bad',
      seen({ running: { slot: 'b', release: next, state: { is: 'bad', release: next, why } } }),
      desired,
      now,
      'health-check-failed',
    ],
    [
      'what runs without a boot entry',
      seen({ running: { slot: 'b', release: next, state: { is: 'staged', release: next } } }),
      desired,
      now,
      'entry-missing',
    ],
    [
      'a container',
      seen(),
      { ...desired, document: { ...document, form: 'container' } },
      now,
      'not-a-system',
    ],
    [
      'another image, whose counter means nothing here',
      seen(),
      { ...desired, document: { ...document, name: 'firewall' } },
      now,
      'another-image',
    ],
    ['another architecture', seen({ architecture: 'arm64' }), desired, now, 'architecture-missing'],
    ['a release below the floor', seen({ floor: document.counter + 1 }), desired, now, 'below-floor'],
    [
      'below the floor, though it lies in the other slot',
      seen({ floor: document.counter + 1, beside: { is: 'good', release: next } }),
      desired,
      now,
      'below-floor',
    ],
    [
      'a slot that is too small',
      seen({ other: { state: { is: 'empty' }, roomBytes: 300 * MiB } }),
      desired,
      now,
      'space-missing',
    ],
    [
      'no room for the download',
      seen({ incoming: { roomBytes: 100 * MiB, heldBytes: 0 } }),
      desired,
      now,
      'space-missing',
    ],
    ['an order that was not begun in time', seen(), desired, now + 2, 'assignment-late'],
  ])('%s: %#', (_, observed, wanted, at, code) => expect(said(observed, wanted, at)).toBe(code))

  test('what was begun in time goes on after it, and a download that is nearly there needs little room', () => {
    expect(said(seen({ begun: true }), desired, now + 2)).toContain('reboot')
    expect(said(seen({ incoming: { roomBytes: 70 * MiB, heldBytes: 99 * MiB } }))).toContain('reboot')
  })

  test('a release at the floor is above it', () => {
    expect(said(seen({ floor: document.counter }))).toContain('reboot')
  })
})
