import { resolve } from 'node:path'
import { z } from 'zod'
import { kindPaths, resourceSchemas } from '../src/api/index.ts'
import { definitionJsonSchema, lockSchema } from '../src/core/index.ts'
import { wholeProgram } from './program.ts'
import { commandsPage } from './reference/commands.ts'
import { errorsTable, reasonsTable } from './reference/errors.ts'
import { page } from './reference/markdown.ts'
import { keysTable, type Schema } from './reference/schema.ts'

export const root = resolve(import.meta.dirname, '..')

/** The pages of docs/reference/, by their names. */
export async function referencePages(): Promise<Readonly<Record<string, string>>> {
  return {
    'commands.md': commandsPage(await wholeProgram()),
    'definition.md': definitionPage(),
    'lock.md': lockPage(),
    'resources.md': resourcesPage(),
    'errors.md': errorsPage(),
  }
}

/** The schema of what a person writes, or, for `output`, of what Ashlar writes. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Schema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema
}

function definitionPage(): string {
  return page([
    '# ashlar.yaml',
    'Made by `script/docs` from the schema that reads it. `ashlar schema` prints the schema for editors.',
    'Unknown keys are refused. `[]` stands for each item of a list, `*` for any name.',
    keysTable(definitionJsonSchema() as Schema),
  ])
}

function lockPage(): string {
  return page([
    '# ashlar.lock',
    'Made by `script/docs` from the schema that reads it. `ashlar lock` writes this file, as JSON; nobody edits it. It is kept in git beside the definition.',
    keysTable(schemaOf(lockSchema)),
  ])
}

function resourcesPage(): string {
  const kinds = (['Fleet', 'Rollout', 'Node', 'Release'] as const).flatMap((kind) => [
    `## ${kind}`,
    `${about[kind]} \`GET /v1/${kindPaths[kind]}\` lists them.`,
    keysTable(schemaOf(resourceSchemas[kind])),
  ])
  return page([
    '# Resources',
    'Made by `script/docs` from the schemas of the API. `ashlar get KIND NAME --json` prints one in this form.',
    ...kinds,
  ])
}

const about = {
  Fleet: 'The nodes that labels pick, running one image. Written by people: `ashlar apply -f FILE`.',
  Rollout: 'A fleet’s move to a release. Made by `ashlar rollout start` and `ashlar rollout revert`.',
  Node: 'An enrolled machine. Made when it enrols; only its labels are an operator’s, the rest is said by the node itself and the director.',
  Release: 'A release that the registry holds. Made by `ashlar push`.',
}

function errorsPage(): string {
  return page([
    '# Error codes',
    'Made by `script/docs` from the source. Codes are stable; programs read them from `error.code` of `--json`. Messages are examples: … stands for what is put in. Where no mend stands here, the error itself names one, or none always helps.',
    'What the exit codes mean stands under [every command](commands.md#every-command).',
    '## Errors',
    errorsTable(root),
    '## Reasons and warnings of a node',
    'Why an order did not end as confirmed, and what a node warns of. `ashlar get node NAME --json` and `ashlar rollout watch` show them.',
    reasonsTable(root),
  ])
}
