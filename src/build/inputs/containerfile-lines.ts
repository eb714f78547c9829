/** One instruction of a Containerfile; `first` and `last` are its lines, from 0. */
export interface Instruction {
  /** In capitals: `FROM`, `RUN`. */
  readonly word: string
  /** What follows it, lines that go on joined and comments taken out. Of a here-document only the line that begins it. */
  readonly rest: string
  readonly first: number
  readonly last: number
  /** The lines of its here-documents, as they stand. */
  readonly documents: readonly string[]
}

/** Cuts a Containerfile into its instructions (Containerfile(5), "Format"). */
export function instructionsOf(lines: readonly string[]): readonly Instruction[] {
  const continuation = escapeOf(lines)
  const found: Instruction[] = []
  for (let at = 0; at < lines.length; at++) {
    if (isAside(lines[at])) continue
    const first = at
    let text = ''
    for (; at < lines.length; at++) {
      // Between the lines of one instruction comments and empty lines are passed over.
      if (at > first && isAside(lines[at])) continue
      const line = (lines[at] ?? '').trimEnd()
      if (!line.endsWith(continuation)) {
        text += line
        break
      }
      text += line.slice(0, -1)
    }
    const [, word = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*)$/.exec(text) ?? []
    const head = at
    at = endOfDocuments(lines, at, word, rest)
    const last = Math.min(at, lines.length - 1)
    found.push({
      word: word.toUpperCase(),
      rest: rest.trim(),
      first,
      last,
      documents: lines.slice(head + 1, last + 1),
    })
  }
  return found
}

function isAside(line = ''): boolean {
  return /^\s*(?:#|$)/.test(line)
}

/** A directive stands before anything else: `# escape=` and one character. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = /^\s*#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line) ?? []
    if (name === undefined) break
    if (name.toLowerCase() === 'escape' && value === '`') return '`'
  }
  return '\\'
}

/** The line on which the last here-document ends that begins in this instruction: `RUN <<END`, `COPY <<-"A" <<B /to`. */
function endOfDocuments(lines: readonly string[], at: number, word: string, rest: string): number {
  if (!/^(?:RUN|COPY|ADD)$/i.test(word)) return at
  let end = at
  for (const [, dash, , name] of rest.matchAll(/(?<![<\w])<<(-?)(["']?)([A-Za-z_]\w*)\2/g)) {
    end++
    while (end < lines.length && (dash === '' ? lines[end] : lines[end]?.replace(/^\t+/, '')) !== name) end++
  }
  return end
}
