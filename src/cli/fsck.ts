import type { Finding } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { confirm, yesOption } from './confirm.ts'
import type { Context, Result } from './context.ts'
import { type CheckedPart, checkHost, type Known } from './fsck-check.ts'
import { type MendOutcome, mend, planMend, sayStep } from './fsck-mend.ts'

interface Options {
  readonly mend?: true
  readonly yes?: true
  readonly data?: string
}

/** Mended manifests may name what is missing too: so often is looked again. */
const roundsMax = 8

/** `ashlar fsck`: whether what this host keeps is still what it was, and what can be had again is fetched. */
export function addFsck({ command, act }: Registrar): void {
  command({
    usage: 'fsck',
    summary:
      'check all that this host keeps: stores, server, build cache, machines, build records; mend what can be fetched again',
    about:
      'Hashes every blob that is kept here and reads every record. Without --mend it changes nothing. With it, what is damaged is set aside, what the archives or the server still have is fetched again, and what a build can make again is removed.',
    examples: ['fsck', 'fsck --mend --yes'],
    see: ['lock', 'doctor'],
    exits: { 1: 'something is damaged or missing' },
  })
    .option('--mend', 'set aside what is damaged and fetch it again; shows what it is about to do, and asks')
    .option(...yesOption)
    .option('--data <folder>', 'where the server keeps its state (default: ASHLAR_DATA/server)')
    .action(
      act<Options>(async (context, _, options) => {
        const server = options.data ?? context.folders.server
        const parts = await checkHost(context, server, { stores: new Map(), cache: new Set() })
        const steps = planMend(parts)
        if (options.mend !== true || steps.length === 0) return told(parts, [])
        context.terminal.note(told(parts, []).text)
        await confirm(context, { steps: steps.map(sayStep), yes: options.yes })
        return mended(context, server, parts)
      }),
    )
}

/** Mends, and looks again at what was not known to be good, until nothing is left that a program can do. */
async function mended(context: Context, server: string, found: readonly CheckedPart[]): Promise<Result> {
  let parts = found
  const outcomes: MendOutcome[] = []
  const tried = new Set<string>()
  for (let round = 0; round < roundsMax; round++) {
    const steps = planMend(parts).filter((step) => !tried.has(sayStep(step)))
    if (steps.length === 0) break
    for (const step of steps) tried.add(sayStep(step))
    const stores = parts.flatMap(({ store }) => (store === undefined ? [] : [store.folder]))
    outcomes.push(...(await mend(context, steps, stores)))
    parts = await checkHost(context, server, knownOf(parts))
  }
  const lines = outcomes.map(({ done, said }) => `  ${done ? 'done' : 'not done'}: ${said}`)
  return told(parts, ['', 'mended:', ...lines], {
    mended: outcomes.map(({ step, done, said }) => ({ step: sayStep(step), done, said })),
  })
}

function knownOf(parts: readonly CheckedPart[]): Known {
  return {
    stores: new Map(parts.flatMap(({ store }) => (store === undefined ? [] : [[store.folder, store.good]]))),
    cache: new Set(parts.flatMap(({ cache }) => [...(cache?.good ?? [])])),
  }
}

/** Exit code 1 where anything is wrong now. */
function told(parts: readonly CheckedPart[], more: readonly string[], json: object = {}): Result {
  const faults = parts.flatMap((part) => part.faults.map((fault) => ({ part: part.name, ...fault })))
  const notes = parts.flatMap((part) => part.notes.map((note) => ({ part: part.name, ...note })))
  const lines = parts.flatMap((part) => [
    `${part.name}: ${part.looked}; ${part.faults.length === 0 ? 'all good' : `${part.faults.length} wrong`}`,
    ...part.faults.flatMap((fault) => say('-', fault)),
    ...part.notes.flatMap((note) => say('note:', note)),
  ])
  const nothing = parts.length === 0 ? ['this host keeps nothing yet'] : []
  return {
    json: {
      good: faults.length === 0,
      parts: parts.map(({ name, looked, faults: { length } }) => ({ name, looked, wrong: length })),
      ...{ faults, notes, ...json },
    },
    text: [...nothing, ...lines, ...more].join('\n'),
    exitCode: faults.length === 0 ? 0 : 1,
  }
}

function say(mark: string, { code, message, where, hint }: Finding): readonly string[] {
  return [
    `  ${mark} ${message} [${code}]`,
    ...(where === undefined ? [] : [`      at   ${where}`]),
    ...(hint === undefined ? [] : [`      mend ${hint}`]),
  ]
}
