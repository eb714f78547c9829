import type { Registrar } from './command.ts'
import { openSession } from './session.ts'
import { table } from './table.ts'

/** `ashlar log`: what was decided, by whom, when. */
export function addLog({ command, act }: Registrar): void {
  command({
    usage: 'log',
    summary: 'list the decisions that the server wrote down',
    about:
      'Each row is one change: of a fleet, a rollout, a node’s state, a token. Rows are written with what they tell of, and none is ever taken away.',
    examples: ['log', 'log --after 100'],
    see: ['why', 'get'],
  })
    .option('--after <sequence>', 'only rows after this one', '0')
    .action(
      act<{ after: string }>(async (context, _, { after }) => {
        const { client } = await openSession(context)
        const entries = await client.log(Number(after))
        const rows = entries.map(({ sequence, at, actor, action, subject }) => [
          String(sequence),
          new Date(at).toISOString(),
          actor,
          action,
          subject,
        ])
        return {
          json: entries,
          text: table(['#', 'at', 'actor', 'action', 'subject'], rows, context.terminal.columns),
        }
      }),
    )
}
