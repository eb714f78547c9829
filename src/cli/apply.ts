import { parseAllDocuments } from 'yaml'
import { type Client, type Fleet, fleetSchema, kindPaths } from '../api/index.ts'
import { AshlarError } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { CliError } from './context.ts'
import { readTextFile } from './files.ts'
import { openSession } from './session.ts'

/** `ashlar apply`: makes the server's resources what the file says; shows what changes. */
export function addApply({ command, act }: Registrar): void {
  command({
    usage: 'apply',
    summary: 'make resources on the server what a file says',
    example: 'apply -f fleet.yaml',
  })
    .requiredOption('-f, --file <file>', 'YAML, one or more resources')
    .option('--dry-run', 'show what would change, and change nothing')
    .action(
      act<{ file: string; dryRun?: true }>(async (context, _, { file, dryRun }) => {
        const wanted = parseResources(await readTextFile(context, file), file)
        const { client } = await openSession(context)
        const rows = []
        for (const resource of wanted) {
          const { name } = resource.metadata
          const current = await currentOf(client, name)
          const changes = current === undefined ? ['created'] : changesOf(current, resource)
          if (dryRun !== true && changes.length > 0) {
            const version = current?.metadata.version
            const metadata = { ...resource.metadata, ...(version !== undefined && { version }) }
            await client.apply({ ...resource, metadata })
          }
          rows.push({ kind: resource.kind, name, changes })
        }
        const text = rows.flatMap(({ kind, name, changes }) => [
          `${kindPaths[kind]}/${name}${changes.length === 0 ? ': unchanged' : dryRun === true ? ': would change' : ''}`,
          ...changes.map((change) => `  ${change}`),
        ])
        return { json: { dryRun: dryRun === true, resources: rows }, text: text.join('\n') }
      }),
    )
}

/** @throws CliError `resource-invalid`, naming every field that is wrong */
function parseResources(text: string, file: string): Fleet[] {
  return parseAllDocuments(text).map((document, index) => {
    const where = `${file}#${index + 1}`
    const broken = document.errors[0]
    if (broken !== undefined) throw new CliError('resource-invalid', broken.message, { where, cause: broken })
    const parsed = fleetSchema.omit({ status: true }).safeParse(document.toJS({ maxAliasCount: 100 }))
    if (parsed.success) return fleetSchema.parse(parsed.data)
    const findings = parsed.error.issues.map((issue) => ({
      code: issue.code ?? 'invalid',
      message: issue.message,
      where: `${where} ${issue.path.join('.')}`,
    }))
    throw new CliError('resource-invalid', 'this is not a resource that can be applied', {
      where,
      findings,
      hint: 'kind: Fleet is what can be applied',
    })
  })
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
