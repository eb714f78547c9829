import { expect, test } from 'vitest'
import { table } from './table.ts'
import { fitTo, textWidth } from './text-width.ts'

test.each([
  ['letters', 'node-1', 6],
  ['letters with marks, written as two characters', 'u\u0308ber', 4],
  ['characters of East Asia', '節点-1', 6],
  ['half-width kana', 'ｱｲｳ', 3],
  ['a picture of several code points', '👩‍🔧', 2],
  ['marks that draw nothing', '\u200b', 0],
  ['the marks of `why`', '✓·✗', 3],
])('%s have the width that a terminal gives them', (_, text, width) => {
  expect(textWidth(text)).toBe(width)
})

test('text is cut between characters, to the column', () => {
  expect(fitTo('節点は動く', 6)).toBe('節点…')
  expect(textWidth(fitTo('節点は動く', 6))).toBeLessThanOrEqual(6)
  expect(fitTo('node', 4)).toBe('node')
})

const rows = [
  ['node-1', '節点'],
  ['節点', 'x'],
]

test('columns stand under each other whatever the script', () => {
  expect(table(['name', 'site'], rows)).toBe('NAME    SITE\nnode-1  節点\n節点    x')
})

test('where the terminal is too narrow each row is a block, and nothing is cut', () => {
  expect(table(['name', 'site'], rows, 11)).toBe('NAME  node-1\nSITE  節点\n\nNAME  節点\nSITE  x')
  expect(table(['name', 'site'], rows, 12)).toContain('NAME    SITE')
})
