import { dirname, join } from 'node:path'
import {
  type Digest,
  digestHex,
  isAbout,
  parseStatement,
  predicateType,
  type Statement,
} from '../core/index.ts'
import { CliError, type Context } from './context.ts'
import { readTextFileIfThere } from './files.ts'

// What a build knows and a release does not hold (its commit) waits beside the store, unsigned, until someone signs it.

function pathOf({ folders }: Context, release: Digest): string {
  return join(folders.data, 'builds', `${digestHex(release)}.json`)
}

export async function keepProvenance(context: Context, release: Digest, statement: Statement): Promise<void> {
  const { disk } = context.sys
  const folder = dirname(pathOf(context, release))
  await disk.mkdir(folder, { recursive: true })
  await disk.removeUnfinished(folder, { shared: true })
  await disk.writeDurably(pathOf(context, release), `${JSON.stringify(statement, null, 2)}\n`)
}

/**
 * The provenance of a release that was built on this host. It is about to be signed: a record that says anything else,
 * or of anything else, is refused. @throws CliError `record-invalid`; StatementError
 */
export async function provenanceOf(context: Context, release: Digest): Promise<Statement | undefined> {
  const where = pathOf(context, release)
  const text = await readTextFileIfThere(context, where)
  if (text === undefined) return undefined
  const statement = parseStatement(text)
  const { predicateType: type, subject } = statement
  if (type === predicateType.provenance && subject.length === 1 && isAbout(statement, release))
    return statement
  throw new CliError('record-invalid', `the build's record is not provenance of ${release}`, {
    where,
    hint: 'remove it and build the release again: ashlar build FOLDER',
  })
}
