import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { advice } from '../../src/cli/advice.ts'
import { exitCodeOf } from '../../src/cli/failure.ts'
import { prose, table } from './markdown.ts'

interface Use {
  readonly code: string
  /** The folder of src whose code says it. */
  readonly folder: string
  readonly message: string
  readonly mends: readonly string[]
  /** An error, not data. */
  readonly thrown: boolean
}

/** Folders whose codes are about a node or what it was told: reasons of an order, warnings. */
const nodeFolders = ['agent', 'verify', 'disk', 'fleet', 'machines']

/** What is thrown or answered, by its code. */
export function errorsTable(root: string): string {
  const files = sourcesIn(root)
  const declared = files.flatMap(({ text }) => declaredIn(text))
  const uses = [...files.flatMap(usesIn), ...files.flatMap(answersIn)]
  const codes = [...new Set([...declared, ...uses.filter(({ thrown }) => thrown).map(({ code }) => code)])]
  const rows = codes.toSorted().map((code) => {
    const own = uses.filter((use) => use.code === code)
    return [
      `\`${code}\``,
      String(exitCodeOf({ code, message: '' })),
      firstOf(own.map(({ message }) => message)),
      distinct(own.flatMap(({ mends }) => mends)),
    ]
  })
  return table(['code', 'exit code', 'for example', 'what mends it'], rows)
}

/** What a node says of itself or of an order, by its code. */
export function reasonsTable(root: string): string {
  const uses = sourcesIn(root)
    .flatMap(usesIn)
    .filter(({ thrown, folder }) => !thrown && nodeFolders.includes(folder))
  const codes = [...new Set([...Object.keys(advice), ...uses.map(({ code }) => code)])]
  const rows = codes.toSorted().map((code) => {
    const own = uses.filter((use) => use.code === code)
    return [
      `\`${code}\``,
      firstOf(own.map(({ message }) => message)),
      distinct([...(advice[code] === undefined ? [] : [advice[code]]), ...own.flatMap(({ mends }) => mends)]),
    ]
  })
  return table(['code', 'for example', 'what mends it'], rows)
}

/** Of one code more are said in the command line, where they belong. */
const mendsMax = 3

function distinct(texts: readonly string[]): string {
  return [...new Set(texts)].slice(0, mendsMax).map(prose).join('; or: ')
}

function firstOf(texts: readonly string[]): string {
  return prose(texts.find((text) => text !== '') ?? '')
}

interface Source {
  readonly folder: string
  readonly text: string
}

function sourcesIn(root: string): readonly Source[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .toSorted()
    .map((path) => ({
      folder: path.split('/')[0] ?? '',
      text: spelledOut(readFileSync(join(root, 'src', path), 'utf8')),
    }))
}

/** `class XError extends AshlarError<'a' | 'b'>`, or a union that is called so. */
function declaredIn(text: string): readonly string[] {
  const unions = text.matchAll(
    /(?:extends AshlarError<|type \w*ErrorCode =)((?:\s|\||'[a-z-]+'|\/\*\*.*?\*\/)+)/g,
  )
  return [...unions].flatMap(([, union = '']) =>
    [...union.matchAll(/'([a-z-]+)'/g)].map(([, code = '']) => code),
  )
}

/** Where code and message are said: `new XError('code', 'message', { hint })`, `refuse('code', …)`, `{ code: 'code', message: … }`. */
function usesIn({ folder, text }: Source): readonly Use[] {
  const starts = text.matchAll(
    /(?:(new \w*Error)|\brefuse)\(\s*'([a-z][a-z0-9-]*)',|\{(?:[^{}]|\{\d+\})*?\bcode: '([a-z][a-z0-9-]*)'/g,
  )
  return [...starts].map((match) => {
    const said = bracketed(text, match.index + match[0].search(/[({]/))
    return {
      ...{ code: match[2] ?? match[3] ?? '', folder, thrown: match[1] !== undefined },
      message: textOf(messagePattern.exec(said)?.[1] ?? ''),
      mends: [...said.matchAll(hintPattern)].map(([, hint = '']) => textOf(hint)),
    }
  })
}

/** What server and registry add to a code that an error has without a mend: `code: [status, 'hint']`. */
function answersIn({ folder, text }: Source): readonly Use[] {
  return [...text.matchAll(answerPattern)].map(([, code = '', hint = '']) => ({
    ...{ code, folder, thrown: true, message: '' },
    mends: [textOf(hint)],
  }))
}

/** A literal of any of the three kinds; a template may hold others in what is put in. */
const literal = [
  String.raw`'(?:[^'\\]|\\.)*'`,
  String.raw`"(?:[^"\\]|\\.)*"`,
  '`(?:\\$\\{(?:[^{}]|\\{[^{}]*\\})*\\}|[^`\\\\]|\\\\.)*`',
].join('|')
const messagePattern = new RegExp(String.raw`(?:^\(\s*'[a-z0-9-]+',\s*|\bmessage:\s*)(${literal})`)
const hintPattern = new RegExp(String.raw`\bhint:\s*(${literal})`, 'g')
const answerPattern = new RegExp(
  String.raw`^  '?([a-z-]+)'?: \[\s*\d{3},\s*(?:'[A-Z_]+',\s*)?(${literal}),?\s*\]`,
  'gm',
)

/** What a literal says; … stands for what is put in. */
function textOf(source: string): string {
  return source
    .slice(1, -1)
    .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
    .replaceAll(/\\(.)/g, '$1')
}

/** From an opening bracket to its closing one; those in literals come in pairs in our source. */
function bracketed(text: string, from: number): string {
  const [open, close] = text[from] === '{' ? '{}' : '()'
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if (text[at] === open) depth++
    if (text[at] === close) depth--
    if (depth === 0) return text.slice(from, at + 1)
  }
  return text.slice(from)
}

/** The source with the texts that it gives a name put where the name stands. */
function spelledOut(text: string): string {
  const named = [...text.matchAll(/^const (\w+) =\s+'([^'\n]+)'$/gm)]
  return named.reduce(
    (spelled, [, name = '', said = '']) =>
      spelled.replaceAll(`\${${name}}`, said).replaceAll(`hint: ${name},`, `hint: '${said}',`),
    text,
  )
}
