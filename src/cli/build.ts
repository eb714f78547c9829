import { join, resolve } from 'node:path'
import {
  type BuiltRelease,
  buildRelease,
  type CheckedRelease,
  checkRelease,
  lockName,
} from '../build/index.ts'
import { parseLock, printReference, shortDigest } from '../core/index.ts'
import { describeCommit, provenanceStatement } from '../evidence/index.ts'
import { openContentStore } from '../oci/index.ts'
import { ashlarVersion } from './ashlar-version.ts'
import { keepProvenance } from './build-record.ts'
import type { Registrar } from './command.ts'
import { buildCacheFolder, type Context } from './context.ts'
import { readTextFile } from './files.ts'
import { stoppable } from './stoppable.ts'

/** `ashlar build`: the release that definition and lock describe. */
export function addBuild({ command, act }: Registrar): void {
  command({
    usage: 'build [folder]',
    summary: 'build the release that ashlar.yaml and ashlar.lock describe, from nothing else',
    about:
      'Takes the locked packages out of the local store, installs them in a closed chamber without a network, and makes layers and, for a system, the bootable disk form. The same definition and lock give the same digest everywhere. What did not change comes from the cache. The result is in the local store, under NAME:VERSION.',
    examples: ['build examples/gateway', 'build --check examples/gateway'],
    exits: { 1: 'with --check: the two builds differ' },
    see: ['lock', 'inspect', 'sign'],
  })
    .option('--no-cache', 'make everything anew from the locked inputs')
    .option('--check', 'build once more from nothing, elsewhere on this host, and name what differs')
    .action(
      act<{ cache: boolean; check?: true }>(async (context, [given = '.'], { cache, check }) => {
        const { folders, progress } = context
        const sys = stoppable(context.sys, context.signal)
        const folder = resolve(given)
        const store = await openContentStore(sys, folders.store)
        const startedMs = sys.clock.monotonicMs()
        const build = check === true ? checkRelease : buildRelease
        const built: BuiltRelease & Partial<CheckedRelease> = await build({
          sys,
          folder,
          store,
          cacheFolder: buildCacheFolder(folders),
          useCache: cache,
          progress,
        })
        const seconds = Number(((sys.clock.monotonicMs() - startedMs) / 1_000).toFixed(2))
        const commit = await recordProvenance(context, folder, built)
        const reference = printReference({ repository: built.repository, digest: built.digest })
        const tagged = printReference({ repository: built.repository, tag: built.tag })
        const { differences, update } = built
        return {
          json: {
            digest: built.digest,
            reference,
            tag: tagged,
            seconds,
            ...(update !== undefined && { update }),
            ...(differences !== undefined && { reproducible: differences.length === 0, differences }),
            ...(commit !== undefined && { commit }),
            ...(built.findings.length > 0 && { findings: built.findings }),
          },
          text: [
            `${tagged} is ${built.digest}`,
            `  built in ${seconds} s${commit === undefined ? '' : ` from commit ${commit.commit}${commit.dirty ? ' with uncommitted changes' : ''}`}`,
            ...(update === undefined ? [] : [sayUpdate(built.repository, update)]),
            ...(differences === undefined ? [] : sayDifferences(differences)),
            ...sayFindings(built.findings),
          ].join('\n'),
          exitCode: differences === undefined || differences.length === 0 ? 0 : 1,
        }
      }),
    )
}

function sayUpdate(
  repository: string,
  { from, bytes, ofBytes }: NonNullable<BuiltRelease['update']>,
): string {
  const megabytes = (count: number) => (count / 1e6).toFixed(1)
  return `  who runs ${repository}:${from.version} (${shortDigest(from.digest)}) fetches ${megabytes(bytes)} of ${megabytes(ofBytes)} MB`
}

function sayDifferences(differences: CheckedRelease['differences']): readonly string[] {
  if (differences.length === 0) return ['  a second build under other conditions is equal bit for bit']
  const said = differences.map(
    ({ path, what, reason }) => `  - ${path}: ${what}${reason === undefined ? '' : ` (${reason})`}`,
  )
  return [`  a second build differs in ${said.length} ${said.length === 1 ? 'place' : 'places'}:`, ...said]
}

function sayFindings(findings: BuiltRelease['findings']): readonly string[] {
  if (findings.length === 0) return []
  const said = findings.map(
    ({ where, message }) => `  - ${where === undefined ? '' : `${where}: `}${message}`,
  )
  return ['  not reproducible by construction; --check builds twice and names what differs:', ...said]
}

/** The commit is no part of the release (the same content is the same digest); it waits here to be signed beside it. */
async function recordProvenance(context: Context, folder: string, { digest, document }: BuiltRelease) {
  const lock = parseLock(await readTextFile(context, join(folder, lockName)))
  const commit = await describeCommit(context.sys.exec, folder)
  await keepProvenance(
    context,
    digest,
    provenanceStatement({ release: digest, document, lock, commit, version: ashlarVersion }),
  )
  return commit
}
