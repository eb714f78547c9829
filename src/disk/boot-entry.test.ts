import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestFromHex } from '../core/index.ts'
import {
  type BootEntry,
  bless,
  chooseEntry,
  confirmedEntry,
  countDown,
  markBad,
  nextInstallNumber,
  parseEntryName,
  printEntryName,
  trialEntry,
} from './index.ts'

const release = digestFromHex(`9f86d081884c${'0'.repeat(52)}`)

const entries = fc.record(
  {
    install: fc.integer({ min: 1, max: 999_999_999_999_999 }),
    release: fc.stringMatching(/^[0-9a-f]{12}$/),
    counter: fc.record({
      left: fc.integer({ min: 0, max: 999_998 }),
      done: fc.integer({ min: 0, max: 999_998 }),
    }),
  },
  { requiredKeys: ['install', 'release'] },
) as fc.Arbitrary<BootEntry>

function parsed(name: string): BootEntry {
  const entry = parseEntryName(name)
  if (entry === undefined) throw new Error(`not an entry: ${name}`)
  return entry
}

describe('names of boot entries', () => {
  test.each([
    ['7-9f86d081884c.efi', { install: 7, release: '9f86d081884c' }],
    ['7-9f86d081884c+3.efi', { install: 7, release: '9f86d081884c', counter: { left: 3, done: 0 } }],
    ['12-9f86d081884c+0-2.efi', { install: 12, release: '9f86d081884c', counter: { left: 0, done: 2 } }],
  ])('%s is read', (name, entry) => expect(parseEntryName(name)).toEqual(entry))

  test.each([
    ['0-9f86d081884c.efi', 'install numbers begin with 1'],
    ['07-9f86d081884c.efi', 'a leading zero is another spelling'],
    ['7-9F86d081884c.efi', 'hex is lower case'],
    ['7-9f86d081884c+3-0.efi', 'none done is not written'],
    ['7-9f86d081884c+03.efi', 'a leading zero in the counter'],
    ['7-9f86d081884c+.efi', 'an empty counter'],
    ['.7-9f86d081884c.efi.tmp', 'a temporary name'],
    ['7-9f86d081884c.efi\n', 'a trailing line end'],
  ])('%j is refused: %s', (name) => expect(parseEntryName(name)).toBeUndefined())

  test('what is printed is read back, and only that is read', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(parseEntryName(printEntryName(entry))).toEqual(entry)
      }),
    )
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^\d{1,3}-[0-9a-f]{12}(\+\d(-\d)?)?\.efi$/)),
        (name) => {
          const entry = parseEntryName(name)
          if (entry !== undefined) expect(printEntryName(entry)).toBe(name)
        },
      ),
    )
  })

  test('a trial goes +3, +2-1, +1-2, +0-3 and is bad then; blessed it has no counter', () => {
    let entry = trialEntry(5, release)
    const seen = [printEntryName(entry)]
    for (let boot = 0; boot < 3; boot++) {
      entry = countDown(entry)
      seen.push(printEntryName(entry))
    }
    expect(seen).toEqual([
      '5-9f86d081884c+3.efi',
      '5-9f86d081884c+2-1.efi',
      '5-9f86d081884c+1-2.efi',
      '5-9f86d081884c+0-3.efi',
    ])
    expect(printEntryName(bless(entry))).toBe('5-9f86d081884c.efi')
    expect(printEntryName(markBad(countDown(trialEntry(5, release))))).toBe('5-9f86d081884c+0-1.efi')
    expect(countDown(confirmedEntry(1, release))).toEqual(confirmedEntry(1, release))
  })
})

describe('the choice of the boot loader', () => {
  test.each([
    ['the greater install number', ['1-9f86d081884c.efi', '2-aaaaaaaaaaaa.efi'], '2-aaaaaaaaaaaa.efi'],
    ['numbers as numbers, not as text', ['9-9f86d081884c.efi', '10-aaaaaaaaaaaa.efi'], '10-aaaaaaaaaaaa.efi'],
    ['a trial of an older release', ['4-ffffffffffff.efi', '5-000000000000+3.efi'], '5-000000000000+3.efi'],
    [
      'the good one when the tries of the newer are used up',
      ['1-9f86d081884c.efi', '2-aaaaaaaaaaaa+0-3.efi'],
      '1-9f86d081884c.efi',
    ],
    [
      'the newest when nothing else is left',
      ['1-9f86d081884c+0-1.efi', '2-aaaaaaaaaaaa+0-3.efi'],
      '2-aaaaaaaaaaaa+0-3.efi',
    ],
    [
      'more tries left among equals',
      ['2-aaaaaaaaaaaa+1-2.efi', '2-aaaaaaaaaaaa+2-1.efi'],
      '2-aaaaaaaaaaaa+2-1.efi',
    ],
  ])('%s', (_, names, chosen) => {
    const found = chooseEntry(names.map(parsed))
    expect(found && printEntryName(found)).toBe(chosen)
  })

  test('it is none where there is none, and never a used-up one while another is there', () => {
    expect(chooseEntry([])).toBeUndefined()
    fc.assert(
      fc.property(fc.array(entries, { minLength: 1 }), (list) => {
        const chosen = chooseEntry(list)
        const usable = list.some((entry) => entry.counter?.left !== 0)
        expect(chosen).toBeDefined()
        expect(chosen?.counter?.left === 0).toBe(!usable)
      }),
    )
  })

  test('the next install number is greater than all', () => {
    expect(nextInstallNumber([])).toBe(1)
    fc.assert(
      fc.property(fc.array(entries), (list) => {
        for (const entry of list) expect(nextInstallNumber(list)).toBeGreaterThan(entry.install)
      }),
    )
  })
})
