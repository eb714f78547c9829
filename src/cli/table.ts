import { padEnd, textWidth } from './text-width.ts'

/**
 * Columns under their titles, as wide as their widest cell. Where the terminal is too narrow for them, each row stands
 * as a block of `title  cell` lines instead: nothing is cut, for a digest that was cut is of no use.
 */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string {
  const heads = titles.map((title) => title.toUpperCase())
  const lines = [heads, ...rows]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => textWidth(line[column] ?? ''))))
  const whole = widths.reduce((sum, width) => sum + width + gap.length, -gap.length)
  if (whole > columns && rows.length > 0) return rows.map((row) => block(heads, row)).join('\n\n')
  return lines
    .map((line) => line.map((cell, column) => padEnd(cell, widths[column] ?? 0)).join(gap))
    .map((line) => line.trimEnd())
    .join('\n')
}

const gap = '  '

function block(heads: readonly string[], row: readonly string[]): string {
  const width = Math.max(...heads.map(textWidth))
  return heads.map((head, column) => `${padEnd(head, width)}${gap}${row[column] ?? ''}`.trimEnd()).join('\n')
}
