import type { Registrar } from './command.ts'
import { openSession } from './session.ts'
import { table } from './table.ts'

/** `ashlar log`: what was decided, by whom, when. */
export function addLog({ command, act }: Registrar): void {
  command({
    usage: 'log',
    summary: 'list the decisions that the server wrote down',
    example: 'log --after 100',
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
        return { json: entries, text: table(['#', 'at', 'actor', 'action', 'subject'], rows) }
      }),
    )
}
