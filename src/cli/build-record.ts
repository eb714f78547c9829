import { join } from 'node:path'
import { type Digest, digestHex, parseStatement, type Statement } from '../core/index.ts'
import type { Context } from './context.ts'
import { readTextFileIfThere } from './files.ts'

// What a build knows and a release does not hold (its commit) waits beside the store, unsigned, until someone signs it.

function pathOf({ folders }: Context, release: Digest): string {
  return join(folders.data, 'builds', `${digestHex(release)}.json`)
}

export async function keepProvenance(context: Context, release: Digest, statement: Statement): Promise<void> {
  await context.sys.disk.mkdir(join(context.folders.data, 'builds'), { recursive: true })
  await context.sys.disk.writeDurably(pathOf(context, release), `${JSON.stringify(statement, null, 2)}\n`)
}

/** The provenance of a release that was built on this host. */
export async function provenanceOf(context: Context, release: Digest): Promise<Statement | undefined> {
  const text = await readTextFileIfThere(context, pathOf(context, release))
  return text === undefined ? undefined : parseStatement(text)
}
