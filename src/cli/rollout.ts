import type { Command } from 'commander'
import type { Client, NodeProgress, Rollout } from '../api/index.ts'
import { shortDigest } from '../core/index.ts'
import { membersOf, waveEnds } from '../fleet/index.ts'
import { sayReason } from './advice.ts'
import type { Registrar } from './command.ts'
import { confirm, yesOption } from './confirm.ts'
import { CliError, type Context, type Result } from './context.ts'
import { requireDigest } from './references.ts'
import { openSession } from './session.ts'
import { table } from './table.ts'

/** `ashlar rollout …`: a fleet's move from one release to another. */
export function addRollout(registrar: Registrar): void {
  const rollout = registrar.group('rollout', 'move a fleet to another release, in waves')
  addStart(registrar, rollout)
  addRevert(registrar, rollout)
  addWatch(registrar, rollout)
  addHalt(registrar, rollout)
}

interface Options {
  readonly watch?: true
  readonly yes?: true
}

const watchOption = ['--watch', 'stay until it ends; exit code 1 when it halted'] as const

function addStart({ command, act }: Registrar, rollout: Command): void {
  command(
    {
      usage: 'start <fleet> <release>',
      summary: 'roll a release out to a fleet',
      about:
        'Wave after wave the nodes of the fleet are ordered to the release: each verifies it, stages it into its other slot, boots it on trial and confirms it, or goes back by itself. The first that fails halts the rollout, and what it changed is taken back. Shows the waves first, and asks on a terminal; --yes answers for scripts.',
      examples: ['rollout start gateways sha256:… --watch', 'rollout start gateways sha256:… --yes'],
      see: ['inspect', 'rollout watch', 'rollout halt'],
      exits: { 1: 'with --watch: it halted' },
    },
    rollout,
  )
    .option(...watchOption)
    .option(...yesOption)
    .action(
      act<Options>(async (context, [fleet = '', release = ''], { watch, yes }) => {
        const { client } = await openSession(context)
        const digest = requireDigest(release)
        await confirm(context, { steps: await stepsTo(client, fleet, shortDigest(digest)), yes })
        const started = await client.startRollout({
          fleet,
          release: digest,
          intent: 'update',
        })
        return watch ? follow(context, started.metadata.name) : shown(context, started)
      }),
    )
}

function addRevert({ command, act }: Registrar, rollout: Command): void {
  command(
    {
      usage: 'revert <fleet> [release]',
      summary: 'take a fleet back to what it ran before, or to a named release above the floor',
      about:
        'A rollout like any other, to an older release. It never goes below the floor of what runs: a release that was declared unsafe stays away.',
      examples: ['rollout revert gateways --watch'],
      see: ['rollout start', 'get'],
      exits: { 1: 'with --watch: it halted' },
    },
    rollout,
  )
    .option(...watchOption)
    .option(...yesOption)
    .action(
      act<Options>(async (context, [fleet = '', release], { watch, yes }) => {
        const { client } = await openSession(context)
        const to = release === undefined ? {} : { release: requireDigest(release) }
        const where = to.release === undefined ? 'what it ran before' : shortDigest(to.release)
        await confirm(context, { steps: await stepsTo(client, fleet, where), yes })
        const started = await client.startRollout({ fleet, intent: 'revert', ...to })
        return watch ? follow(context, started.metadata.name) : shown(context, started)
      }),
    )
}

function addWatch({ command, act }: Registrar, rollout: Command): void {
  command(
    {
      usage: 'watch <rollout>',
      summary: 'follow a rollout until it ends',
      about: 'Tells each change of each node as it comes. Ctrl-C ends the watching, not the rollout.',
      examples: ['rollout watch gateways-1'],
      see: ['rollout halt', 'get'],
      exits: { 1: 'it halted' },
    },
    rollout,
  ).action(act((context, [name = '']) => follow(context, name)))
}

function addHalt({ command, act }: Registrar, rollout: Command): void {
  command(
    {
      usage: 'halt <rollout>',
      summary: 'end a running rollout; what it changed is taken back',
      about:
        'No further node is ordered; those that moved, or are about to, are ordered back. Shows what will go back, and asks on a terminal; --yes answers for scripts.',
      examples: ['rollout halt gateways-1 --yes'],
      see: ['rollout watch', 'rollout revert'],
    },
    rollout,
  )
    .option(...yesOption)
    .action(
      act<Options>(async (context, [name = ''], { yes }) => {
        const { client } = await openSession(context)
        await confirm(context, { steps: await stepsBack(client, name), yes })
        return { ...shown(context, await client.haltRollout(name)), exitCode: 0 }
      }),
    )
}

/** Who is ordered where, wave by wave. */
async function stepsTo(client: Client, name: string, where: string): Promise<readonly string[]> {
  const [fleet, nodes] = await Promise.all([client.get('Fleet', name), client.list('Node')])
  const members = membersOf(fleet, nodes).map(({ metadata }) => metadata.name)
  const ends = waveEnds(fleet.spec.rollout.waves, members.length)
  return ends.map(
    (end, wave) =>
      `wave ${wave + 1} of ${ends.length}: ${members.slice(ends[wave - 1] ?? 0, end).join(', ')} to ${where}`,
  )
}

/** Who is ordered back, and who never was reached. */
async function stepsBack(client: Client, name: string): Promise<readonly string[]> {
  const { status } = await client.get('Rollout', name)
  const nodes = Object.entries(status.nodes)
  const reached = nodes.flatMap(([node, { state }]) =>
    state === 'assigned' || state === 'confirmed' ? [`take ${node} back (${state})`] : [],
  )
  return [
    `end ${name}: ${nodes.length - reached.length} of ${nodes.length} nodes stay as they are`,
    ...reached,
  ]
}

/** Tells each change of each node, and ends with the rollout. */
async function follow(context: Context, name: string): Promise<Result> {
  const { client } = await openSession(context)
  let before: Record<string, NodeProgress> = {}
  for await (const rollout of client.watch('Rollout', name, context.signal)) {
    for (const [node, progress] of Object.entries(rollout.status.nodes))
      if (progress.state !== (before[node]?.state ?? 'waiting'))
        context.terminal.note(`${node}: ${describe(progress)}`)
    before = rollout.status.nodes
    if (rollout.status.phase === 'running') continue
    const unsettled = underWay(rollout)
    if (unsettled.length === 0) return shown(context, rollout)
    context.terminal.note(
      `${name} halted; waits for ${unsettled.join(', ')} to be taken back (Ctrl-C leaves it at that)`,
    )
  }
  throw new CliError('resource-unknown', `rollout ${name} went away while it was watched`, {
    hint: 'ashlar get rollouts',
  })
}

/** A halted rollout still takes nodes back: those that have not answered yet. */
function underWay({ status }: Rollout): string[] {
  return Object.entries(status.nodes).flatMap(([node, { state }]) =>
    state === 'assigned' || state === 'reverting' ? [node] : [],
  )
}

function shown({ terminal }: Context, rollout: Rollout): Result {
  const { status, spec, metadata } = rollout
  const head = `${metadata.name}: ${spec.intent} of ${spec.fleet} to ${shortDigest(spec.release)}: ${status.phase}${status.reason === undefined ? '' : `: ${status.reason.message}`}`
  const rows = Object.entries(status.nodes).map(([node, progress]) => [
    node,
    String(progress.wave + 1),
    describe(progress),
  ])
  return {
    json: rollout,
    text: rows.length === 0 ? head : `${head}\n${table(['node', 'wave', 'state'], rows, terminal.columns)}`,
    ...(status.phase === 'halted' && { exitCode: 1 }),
  }
}

function describe({ state, reason }: NodeProgress): string {
  return reason === undefined ? state : `${state}: ${sayReason(reason)}`
}
