/** One paragraph of a Debian control file: field names as written, continuation lines joined with newlines. */
export type Paragraph = ReadonlyMap<string, string>

/** The paragraphs of a control file (deb822(5)), one after the other. */
export function* parseDeb822(text: string): Iterable<Paragraph> {
  for (const block of text.split(/\n(?:[ \t]*\n)+/)) {
    const paragraph = parseParagraph(block)
    if (paragraph.size > 0) yield paragraph
  }
}

function parseParagraph(block: string): Paragraph {
  const fields = new Map<string, string>()
  let name = ''
  for (const line of block.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (name !== '') fields.set(name, `${fields.get(name)}\n${line.slice(1)}`)
      continue
    }
    const colon = line.indexOf(':')
    if (colon < 1) continue
    name = line.slice(0, colon)
    fields.set(name, line.slice(colon + 1).trim())
  }
  return fields
}
