import { type CacheRow, cacheBytesMax, listCache, removeEntries, unusedEntries } from '../build/index.ts'
import type { Registrar } from './command.ts'
import { confirm, yesOption } from './confirm.ts'
import { buildCacheFolder, CliError } from './context.ts'
import { table } from './table.ts'

/** `ashlar cache`: what builds keep to be faster the next time. */
export function addCache({ command, group, act }: Registrar): void {
  const cache = group('cache', 'what builds keep to be faster the next time')
  command(
    {
      usage: 'ls',
      summary: 'list what builds keep, the last used first',
      about: `Everything here can be made again from what is locked, and nothing of it is used before its digest was taken again. A build removes what was longest unused once there is more than ${printSize(cacheBytesMax)}. The indexes that ashlar lock has apt keep, in cache/lock, stand apart.`,
      examples: ['cache ls'],
      see: ['build'],
    },
    cache,
  ).action(
    act(async (context) => {
      const rows = await listCache(context.sys, buildCacheFolder(context.folders))
      return { json: rows.map(toJson), text: printed(rows, context.terminal.columns) }
    }),
  )
  command(
    {
      usage: 'prune',
      summary: 'remove what was longest unused',
      about:
        'Removes entries until the rest is no larger than --max; without it, all of them. What a build uses that is at work stays, and so do the indexes that ashlar lock has apt keep: remove cache/lock by hand, while no lock runs.',
      examples: ['cache prune --max 5GB', 'cache prune --yes'],
      see: ['build'],
    },
    cache,
  )
    .option('--max <size>', 'what may stay, such as 500MB or 5GB', '0')
    .option(...yesOption)
    .action(
      act<{ max: string; yes?: true }>(async (context, _, { max, yes }) => {
        const { sys } = context
        const folder = buildCacheFolder(context.folders)
        const rows = await unusedEntries(sys, folder, parseSize(max))
        if (rows.length > 0) await confirm(context, { steps: rows.map(step), yes })
        await removeEntries(sys, folder, rows)
        const freed = rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        return {
          json: { removed: rows.map(toJson), freedBytes: freed },
          text: `removed ${rows.length} ${rows.length === 1 ? 'entry' : 'entries'}, ${printSize(freed)}`,
        }
      }),
    )
}

function step({ what, sizeBytes }: CacheRow): string {
  return `remove ${what}, ${printSize(sizeBytes)}`
}

function toJson({ key, what, sizeBytes, usedMs }: CacheRow) {
  return { key, what, sizeBytes, used: new Date(usedMs).toISOString() }
}

function printed(rows: readonly CacheRow[], columns: number | undefined): string {
  if (rows.length === 0) return 'the cache is empty'
  const cells = rows.map((row) => [
    toJson(row).used.slice(0, 16).replace('T', ' '),
    printSize(row.sizeBytes),
    row.what,
  ])
  const all = rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return `${table(['used', 'size', 'what'], cells, columns)}\n${printSize(all)} in ${rows.length} entries`
}

const units: Readonly<Record<string, number>> = { '': 1, kB: 1e3, MB: 1e6, GB: 1e9 }

function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?(kB|MB|GB)?$/.exec(text) ?? []
  if (number !== '') return Number(number) * (units[unit] ?? 1)
  throw new CliError('usage', `no size ${JSON.stringify(text)}`, { hint: 'write it as 500MB or 5GB' })
}

function printSize(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`
}
