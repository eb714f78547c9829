/** A table; cells are Markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** A bar ends a cell in code, too (GFM, "Tables"). */
function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ')
}

/** Text in which `<word>` would be taken for a tag. */
export function prose(text: string): string {
  return text.replaceAll(/<([^>\s]+)>/g, String.raw`\<$1>`)
}

/** A page: what is not there is left out. */
export function page(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
