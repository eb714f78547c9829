import { type DamagedEntry, removeDamaged } from '../build/index.ts'
import type { Digest } from '../core/index.ts'
import {
  copyRelease,
  fetchAgain,
  listAnew,
  openContentStore,
  type Repository,
  setAside,
} from '../oci/index.ts'
import { buildCacheFolder, CliError, type Context } from './context.ts'
import type { CheckedPart, CheckedStore } from './fsck-check.ts'
import { openSession, type Session } from './session.ts'

/** What mends a fault, as far as a program can. */
export type MendStep =
  | { readonly do: 'remove-leftovers'; readonly folder: string; readonly count: number }
  | { readonly do: 'set-aside'; readonly folder: string; readonly path: string }
  | {
      readonly do: 'fetch'
      readonly folder: string
      readonly digest: Digest
      readonly repositories: readonly string[]
    }
  | { readonly do: 'remove-entry'; readonly entry: DamagedEntry }
  | { readonly do: 'list-anew'; readonly folder: string; readonly repository: string }

/** Pure: what is to be done about the faults that were found, in that order. */
export function planMend(parts: readonly CheckedPart[]): readonly MendStep[] {
  return parts.flatMap(({ store, cache }) => [
    ...(store === undefined ? [] : planStore(store)),
    ...(cache?.damaged ?? []).map((entry) => ({ do: 'remove-entry', entry }) as const),
  ])
}

function planStore({ folder, faults }: CheckedStore): readonly MendStep[] {
  const left = faults.filter(({ code }) => code === 'leftover').length
  const steps: MendStep[] = left === 0 ? [] : [{ do: 'remove-leftovers', folder, count: left }]
  for (const { code, path, digest, repositories = [] } of faults) {
    if (code === 'blob-damaged') steps.push({ do: 'set-aside', folder, path })
    if ((code === 'blob-damaged' || code === 'blob-missing') && digest !== undefined)
      steps.push({ do: 'fetch', folder, digest, repositories })
    if (code === 'repository-unreadable')
      for (const repository of repositories) steps.push({ do: 'list-anew', folder, repository })
  }
  return steps
}

export function sayStep(step: MendStep): string {
  switch (step.do) {
    case 'remove-leftovers':
      return `remove ${step.count} half-written files of killed writers from ${step.folder}`
    case 'set-aside':
      return `set aside ${step.path}`
    case 'fetch':
      return `fetch ${step.digest}${step.repositories.map((name) => ` of ${name}`).join('')} again`
    case 'remove-entry':
      return `remove ${step.entry.what} from the build cache: ${step.entry.path}`
    case 'list-anew':
      return `set aside what ${step.repository} lists, and list the tags of the registry`
  }
}

/** How each step went, in words. */
export interface MendOutcome {
  readonly step: MendStep
  readonly done: boolean
  readonly said: string
}

/** Walks the steps. One that cannot be done leaves the others to be tried. */
export async function mend(
  context: Context,
  steps: readonly MendStep[],
  stores: readonly string[],
): Promise<readonly MendOutcome[]> {
  const session = await openSession(context).catch((error: unknown) => {
    if (error instanceof CliError && error.code === 'not-logged-in') return undefined
    throw error
  })
  const outcomes: MendOutcome[] = []
  for (const [index, step] of steps.entries()) {
    context.progress({ step: 'mend', done: index, total: steps.length, unit: 'items' })
    outcomes.push(await take(context, step, stores, session))
  }
  context.progress({ step: 'mend', done: steps.length, total: steps.length, unit: 'items' })
  return outcomes
}

async function take(
  context: Context,
  step: MendStep,
  stores: readonly string[],
  session: Session | undefined,
): Promise<MendOutcome> {
  const { sys } = context
  switch (step.do) {
    case 'remove-leftovers':
      // Every opening of a store does.
      await openContentStore(sys, step.folder)
      return { step, done: true, said: `removed ${step.count} half-written files from ${step.folder}` }
    case 'set-aside': {
      const kept = await setAside(sys, step.folder, step.path)
      return { step, done: true, said: `set aside: it lies in ${kept} now` }
    }
    case 'fetch': {
      const { blobs } = await openContentStore(sys, step.folder)
      const places = await placesFor(context, step, stores, session)
      const fetched = await fetchAgain(blobs, step.digest, places)
      return fetched.is === 'fetched'
        ? { step, done: true, said: `fetched ${step.digest} from ${fetched.from}` }
        : {
            step,
            done: false,
            said: `${step.digest} could not be had: ${fetched.why}; a package or tool that a lock names comes with ashlar lock --keep FOLDER`,
          }
    }
    case 'remove-entry':
      await removeDamaged(sys, buildCacheFolder(context.folders), step.entry)
      return { step, done: true, said: `removed ${step.entry.what}; the next build makes it again` }
    case 'list-anew':
      return { step, ...(await relist(context, step, session)) }
  }
}

/** The other stores of this host come first: they cost nothing, and a digest tells whether they are right. */
async function placesFor(
  { sys }: Context,
  { folder, repositories }: Extract<MendStep, { do: 'fetch' }>,
  stores: readonly string[],
  session: Session | undefined,
): Promise<readonly Repository[]> {
  const places: Repository[] = []
  // Any name will do: a store's blobs are those of all its repositories.
  for (const other of stores)
    if (other !== folder) places.push(named((await openContentStore(sys, other)).repository('any'), other))
  if (session === undefined) return places
  const { host } = new URL(session.login.url)
  // What names the blob may be damaged itself.
  const names =
    repositories.length > 0 ? repositories : await (await openContentStore(sys, folder)).repositories()
  return [...places, ...names.map((name) => named(session.repository(name), host))]
}

function named(repository: Repository, name: string): Repository {
  return { ...repository, name }
}

async function relist(
  { sys, progress }: Context,
  { folder, repository: name }: Extract<MendStep, { do: 'list-anew' }>,
  session: Session | undefined,
): Promise<Omit<MendOutcome, 'step'>> {
  const from = session?.repository(name)
  const tags = (await from?.tags()) ?? []
  const kept = await listAnew(sys, await openContentStore(sys, folder), name, async (to) => {
    for (const tag of tags) {
      const digest = (await from?.manifest(tag))?.digest
      if (from !== undefined && digest !== undefined)
        await copyRelease(from, to, digest, { tag, referrers: true, step: 'fetch blobs', progress })
    }
  })
  const aside = `what it listed lies in ${kept} now`
  if (from === undefined)
    return { done: false, said: `${name} is empty now: no registry is known here; ${aside}` }
  return {
    done: true,
    said: `${name} lists ${tags.length} tags again: ${tags.slice(0, 10).join(', ')}; ${aside}`,
  }
}
