import { resolve } from 'node:path'
import { type Commit, describeCommit } from '../evidence/index.ts'
import { ashlarVersion } from './ashlar-version.ts'
import type { Registrar } from './command.ts'
import type { Context } from './context.ts'

/** Put into the bundle by script/bundle: a package lies in no checkout of Ashlar, and may lie in somebody else's. */
declare const ASHLAR_COMMIT: Pick<Commit, 'commit' | 'dirty'> | undefined

/** `ashlar version`: what this Ashlar is, for who reports a fault. */
export function addVersion({ command, act }: Registrar): void {
  command({
    usage: 'version',
    summary: 'print the version of this Ashlar, its commit where that is known, and the Node that runs it',
    about: 'What to name when you report a fault. ashlar --version prints the version alone.',
    examples: ['version', 'version --json'],
    see: ['doctor'],
  }).action(
    act(async (context) => {
      const commit = await ownCommit(context)
      const node = process.versions.node
      const lines = [`ashlar ${ashlarVersion}`]
      if (commit !== undefined)
        lines.push(`  commit ${commit.commit}${commit.dirty ? ' with uncommitted changes' : ''}`)
      return {
        json: { version: ashlarVersion, ...(commit !== undefined && { ...commit }), node },
        text: [...lines, `  Node   ${node}`].join('\n'),
      }
    }),
  )
}

async function ownCommit({ sys }: Context): Promise<typeof ASHLAR_COMMIT> {
  if (!import.meta.filename.endsWith('.ts')) return ASHLAR_COMMIT
  const found = await describeCommit(sys.exec, resolve(import.meta.dirname, '../..'))
  return found && { commit: found.commit, dirty: found.dirty }
}
