import { type Document, isMap, isNode, LineCounter, parseAllDocuments } from 'yaml'
import { type Client, type Fleet, fleetSchema, kindPaths } from '../api/index.ts'
import { AshlarError, type Finding, readingYaml, YamlError } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { confirm, yesOption } from './confirm.ts'
import { CliError, type Result } from './context.ts'
import { readTextFile } from './files.ts'
import { openSession } from './session.ts'

interface Options {
  readonly file: string
  readonly dryRun?: true
  readonly yes?: true
}

/** `ashlar apply`: makes the server's resources what the file says; shows what changes. */
export function addApply({ command, act }: Registrar): void {
  command({
    usage: 'apply',
    summary: 'make resources on the server what a file says',
    about:
      'A file holds one or more fleets: which nodes (by labels), which image, in which waves. What is not there yet is created. What is there and differs is changed: each field is shown first, and asked for on a terminal; --yes answers for scripts. --dry-run shows it alone.',
    examples: ['apply -f fleet.yaml', 'apply -f fleet.yaml --dry-run', 'apply -f fleet.yaml --yes'],
    see: ['get', 'rollout start'],
  })
    .requiredOption('-f, --file <file>', 'YAML, one or more resources')
    .option('--dry-run', 'show what would change, and change nothing')
    .option(...yesOption)
    .action(
      act<Options>(async (context, _, { file, dryRun, yes }) => {
        const wanted = parseResources(await readTextFile(context, file), file)
        const { client } = await openSession(context)
        const plan = await planApply(client, wanted)
        if (dryRun !== true) {
          const steps = plan.flatMap(sayOverwriting)
          if (steps.length > 0) await confirm(context, { steps, yes })
          for (const { resource, changes } of plan) if (changes.length > 0) await client.apply(resource)
        }
        return told(plan, dryRun === true)
      }),
    )
}

interface Planned {
  readonly kind: Fleet['kind']
  readonly name: string
  /** With the version that was seen: what somebody else changes meanwhile is not overwritten. */
  readonly resource: Fleet
  readonly isThere: boolean
  readonly changes: readonly string[]
}

function planApply(client: Client, wanted: readonly Fleet[]): Promise<readonly Planned[]> {
  return Promise.all(
    wanted.map(async (resource) => {
      const { kind, metadata } = resource
      const current = await currentOf(client, metadata.name)
      if (current === undefined)
        return { kind, name: metadata.name, resource, isThere: false, changes: ['created'] }
      const { version } = current.metadata
      return {
        ...{ kind, name: metadata.name, isThere: true, changes: changesOf(current, resource) },
        resource: { ...resource, metadata: { ...metadata, ...(version !== undefined && { version }) } },
      }
    }),
  )
}

/** What takes the place of something else, a field a line. */
function sayOverwriting({ kind, name, isThere, changes }: Planned): readonly string[] {
  return isThere ? changes.map((change) => `change ${kindPaths[kind]}/${name}: ${change}`) : []
}

function told(plan: readonly Planned[], dryRun: boolean): Result {
  const text = plan.flatMap(({ kind, name, changes }) => [
    `${kindPaths[kind]}/${name}${changes.length === 0 ? ': unchanged' : dryRun ? ': would change' : ''}`,
    ...changes.map((change) => `  ${change}`),
  ])
  const resources = plan.map(({ kind, name, changes }) => ({ kind, name, changes }))
  return { json: { dryRun, resources }, text: text.join('\n') }
}

/** Every resource in a file of one or more YAML documents. @throws CliError `resource-invalid`, naming every field that is wrong */
export function parseResources(text: string, file: string): Fleet[] {
  const parsed = parseDocuments(text, file)
  const findings = parsed.flatMap((item) => (item.is === 'findings' ? item.findings : []))
  if (parsed.length === 0) findings.push({ code: 'empty', message: 'there is no resource in it' })
  const fleets = parsed.flatMap((item) => (item.is === 'fleet' ? [item.fleet] : []))
  const names = fleets.map(({ metadata }) => metadata.name)
  for (const name of new Set(names.filter((one, index) => names.indexOf(one) < index)))
    findings.push({ code: 'named-twice', message: `${kindPaths.Fleet}/${name} stands in it more than once` })
  if (findings.length === 0) return fleets
  throw new CliError('resource-invalid', 'this is nothing that can be applied', {
    where: file,
    findings,
    hint: 'mend these lines; ashlar get fleets --json shows what fleets look like',
  })
}

function parseDocuments(text: string, file: string): readonly Parsed[] {
  const lines = new LineCounter()
  try {
    return readingYaml(() => {
      const documents = parseAllDocuments(text, {
        lineCounter: lines,
        prettyErrors: false,
        logLevel: 'error',
      })
      const placeOf = (offset: number) => `${file}:${lines.linePos(offset).line}`
      return Array.isArray(documents) ? documents.map((document) => parseResource(document, placeOf)) : []
    })
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    return [{ is: 'findings', findings: [{ code: error.code, message: error.message, where: `${file}:1` }] }]
  }
}

type Parsed =
  | { readonly is: 'fleet'; readonly fleet: Fleet }
  | { readonly is: 'findings'; readonly findings: Finding[] }

function parseResource(document: Document.Parsed, placeOf: (offset: number) => string): Parsed {
  if (document.errors.length > 0) {
    const findings = document.errors.map(({ message, pos }) => ({
      code: 'yaml-broken',
      message,
      where: placeOf(pos[0]),
    }))
    return { is: 'findings', findings }
  }
  const kind: unknown = document.get('kind')
  const result = fleetSchema.omit({ status: true }).safeParse(document.toJS({ maxAliasCount: 100 }))
  if (result.success) return { is: 'fleet', fleet: fleetSchema.parse(result.data) }
  if (isMap(document.contents) && kind !== 'Fleet') {
    const message = `${kind === undefined ? 'it has no kind' : `its kind is ${JSON.stringify(kind)}`}: only a Fleet can be applied`
    return {
      is: 'findings',
      findings: [{ code: 'kind-unfit', message, where: placeOf(offsetOf(document, ['kind'])) }],
    }
  }
  const findings = result.error.issues.flatMap((issue) => {
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
    return unknown.map((key) => {
      const path = [...issue.path, ...(key === undefined ? [] : [key])]
      return {
        code: issue.code ?? 'invalid',
        message: key === undefined ? wordsOf(issue, document) : `unknown key ${JSON.stringify(key)}`,
        where: `${placeOf(offsetOf(document, path))} ${path.join('.')}`.trimEnd(),
      }
    })
  })
  return { is: 'findings', findings }
}

interface Issue {
  readonly code?: string | undefined
  readonly path: readonly PropertyKey[]
  readonly message: string
}

function wordsOf(issue: Issue, document: Document.Parsed): string {
  const missing = issue.code === 'invalid_type' && !document.hasIn(issue.path)
  return missing ? `${String(issue.path.at(-1))} is missing` : issue.message
}

/** Where the deepest part of `path` that the document has begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range != null) return node.range[0]
  }
  return document.contents?.range[0] ?? document.range[0]
}

async function currentOf(client: Client, name: string): Promise<Fleet | undefined> {
  try {
    return await client.get('Fleet', name)
  } catch (error) {
    if (error instanceof AshlarError && error.code === 'resource-unknown') return undefined
    throw error
  }
}

/** `spec.image: "a" → "b"` for each field that differs. */
function changesOf({ metadata, spec }: Fleet, wanted: Fleet): string[] {
  return differences(
    { labels: metadata.labels, spec },
    { labels: wanted.metadata.labels, spec: wanted.spec },
    '',
  )
}

function differences(before: unknown, after: unknown, path: string): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  if (!isRecord(before) || !isRecord(after))
    return [`${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) =>
    differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
