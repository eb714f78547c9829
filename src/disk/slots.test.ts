import { describe, expect, test } from 'vitest'
import { type Digest, digestFromHex, type Reason, type SlotName, shortDigest } from '../core/index.ts'
import { entryOf, parseEntryName, type SlotEntry, slotsOf } from './index.ts'

const one = digestFromHex('1'.repeat(64))
const two = digestFromHex('2'.repeat(64))
const why: Reason = { code: 'health-check-failed', message: 'web does not answer', check: 'web' }

function entry(slot: SlotName, digest: Digest, name: string, bad?: Reason): SlotEntry {
  const parsed = parseEntryName(name.replace('R', shortDigest(digest)))
  if (parsed === undefined) throw new Error(name)
  return { ...parsed, slot, digest: digest, ...(bad !== undefined && { why: bad }) }
}

describe('the state of the slots', () => {
  test.each([
    ['nothing there: empty', { entries: [], held: {} }, { is: 'empty' }],
    ['a release without an entry: staged', { entries: [], held: { b: two } }, { is: 'staged', release: two }],
    [
      'an entry without its release: empty',
      { entries: [entry('b', two, '2-R+3.efi')], held: {} },
      { is: 'empty' },
    ],
    [
      'an entry of another release: staged',
      { entries: [entry('b', one, '2-R.efi')], held: { b: two } },
      { is: 'staged', release: two },
    ],
    [
      'a counter: trial',
      { entries: [entry('b', two, '2-R+2-1.efi')], held: { b: two } },
      { is: 'trial', release: two, bootsLeft: 2 },
    ],
    [
      'no counter: good',
      { entries: [entry('b', two, '2-R.efi')], held: { b: two } },
      { is: 'good', release: two },
    ],
    [
      'marked bad: bad, and why',
      { entries: [entry('b', two, '2-R+0-1.efi', why)], held: { b: two } },
      { is: 'bad', release: two, why },
    ],
    [
      'the last try while it runs: trial',
      { entries: [entry('b', two, '2-R+0-3.efi')], held: { b: two }, running: 2 },
      { is: 'trial', release: two, bootsLeft: 0 },
    ],
    [
      'a newer entry of the slot counts',
      { entries: [entry('b', two, '2-R.efi'), entry('b', two, '3-R+3.efi')], held: { b: two } },
      { is: 'trial', release: two, bootsLeft: 3 },
    ],
  ] as const)('%s', (_, disk, slot) => expect(slotsOf(disk).b).toEqual(slot))

  test('tries that were used up have that as their reason', () => {
    const slot = slotsOf({ entries: [entry('b', two, '2-R+0-3.efi')], held: { b: two }, running: 1 }).b
    expect(slot.is === 'bad' && slot.why.code).toBe('boot-tries-used-up')
  })

  test('the newest entry of a slot is its entry', () => {
    const entries = [entry('a', one, '1-R.efi'), entry('a', one, '4-R.efi'), entry('b', two, '9-R.efi')]
    expect(entryOf('a', entries)?.install).toBe(4)
    expect(entryOf('b', [])).toBeUndefined()
  })
})
