import type { LogEntry } from '../api/index.ts'
import type { Database } from './database.ts'
import { clockBackMsMax, logRowsMax } from './limits.ts'

export interface LogRow {
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: unknown
}

/** Writes a row inside the transaction that it tells of. Gives its sequence. */
export function appendLog(database: Database, row: LogRow): number {
  const inserted = database.get(
    'INSERT INTO log (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?) RETURNING sequence',
    row.at,
    row.actor,
    row.action,
    row.subject,
    JSON.stringify(row.detail ?? null),
  )
  return Number(inserted?.sequence)
}

/**
 * When the last row was written, as long as that is less than a day ahead of the clock: then times keep the order of the
 * rows, and what has expired stays so. Further ahead, the clock was wrong when the row was written, and is believed now.
 */
export function timeBefore(database: Database, now: number): number {
  const last = Number(database.get('SELECT at FROM log ORDER BY sequence DESC LIMIT 1')?.at ?? 0)
  return last - now < clockBackMsMax ? last : 0
}

/** Of the last row; 0 before the first. */
export function lastSequence(database: Database): number {
  return Number(database.get('SELECT max(sequence) AS last FROM log')?.last ?? 0)
}

/** Up to `limit` rows after `after`, oldest first. */
export function readLog(database: Database, after: number, limit: number): readonly LogEntry[] {
  const rows = database.all(
    'SELECT * FROM log WHERE sequence > ? ORDER BY sequence LIMIT ?',
    after,
    Math.min(limit, logRowsMax),
  )
  return rows.map((row) => ({
    sequence: Number(row.sequence),
    at: Number(row.at),
    actor: String(row.actor),
    action: String(row.action),
    subject: String(row.subject),
    detail: JSON.parse(String(row.detail)) as unknown,
  }))
}
