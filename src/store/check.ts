import { DatabaseSync } from 'node:sqlite'
import { envelopeSchema, resourceSchema } from '../api/index.ts'
import { type Digest, type Finding, isDigest, jsonOf } from '../core/index.ts'
import { type Row, storeErrorOf } from './database.ts'
import { StoreError } from './errors.ts'
import { findingsMax } from './limits.ts'
import { migrations } from './migrations.ts'

/** What a server's database holds, as far as it can be read. */
export interface DatabaseCheck {
  readonly faults: readonly Finding[]
  /** Blobs and manifests that the registry says it has; empty where the database is damaged. */
  readonly blobs: readonly { readonly repository: string; readonly digest: Digest }[]
}

const backup =
  'put back a backup of it; without one start a new server, push the releases again (their blobs are good by themselves) and enrol the nodes anew'

/**
 * Reads a database that no server holds, and changes nothing in it. Says every fault of SQLite's own structure, of what
 * refers to what, of the log's order, and of rows that do not mean what they must.
 * @throws StoreError `database-in-use`: then nothing is known
 */
export function checkDatabase(path: string): DatabaseCheck {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true })
    return check(database, path)
  } catch (error) {
    const known = storeErrorOf(error, path)
    if (!(known instanceof StoreError) || known.code === 'database-in-use') throw known
    return { faults: [{ code: known.code, message: known.message, where: path, hint: backup }], blobs: [] }
  } finally {
    database?.close()
  }
}

function check(database: DatabaseSync, path: string): DatabaseCheck {
  const all = (sql: string) => database.prepare(sql).all() as readonly Row[]
  const fault = (code: string, message: string): Finding => ({ code, message, where: path, hint: backup })
  const version = Number(all('PRAGMA user_version')[0]?.user_version)
  if (version > migrations.length)
    return {
      faults: [
        {
          code: 'database-too-new',
          message: `the database has schema ${version}; this Ashlar knows ${migrations.length}`,
          where: path,
          hint: 'use the newer Ashlar that wrote it',
        },
      ],
      blobs: [],
    }
  const broken = all(`PRAGMA integrity_check(${findingsMax})`)
    .map((row) => String(row.integrity_check))
    .filter((text) => text !== 'ok')
  if (broken.length > 0) return { faults: broken.map((text) => fault('database-corrupt', text)), blobs: [] }
  // Made by a start that was killed before its first transaction: the next start makes it whole.
  if (version === 0) return { faults: [], blobs: [] }
  const rows = [
    ...unreadable(all, 'resources', 'json', resourceSchema),
    ...unreadable(all, 'assignments', 'envelope', envelopeSchema),
  ]
  return {
    faults: [
      ...all('PRAGMA foreign_key_check').map((row) =>
        fault('reference-broken', `a row of ${row.table} names a row of ${row.parent} that is not there`),
      ),
      ...gaps(all).map((text) => fault('log-broken', text)),
      ...rows.map((text) => fault('row-malformed', text)),
    ].slice(0, findingsMax),
    blobs: registryBlobs(all),
  }
}

type Query = (sql: string) => readonly Row[]

/** Rows are numbered without a gap: a number that is missing was taken away. */
function gaps(all: Query): readonly string[] {
  const [ends] = all('SELECT min(sequence) AS first, max(sequence) AS last, count(*) AS count FROM log')
  const [counted] = all("SELECT seq FROM sqlite_sequence WHERE name = 'log'")
  const { first, last, count } = {
    first: Number(ends?.first),
    last: Number(ends?.last),
    count: Number(ends?.count),
  }
  const given = Number(counted?.seq ?? 0)
  if (count === 0) return given === 0 ? [] : [`the log has no row, and ${given} were written`]
  const missing = given - count
  return first === 1 && last === given && missing === 0
    ? []
    : [`the log has ${count} rows, from ${first} to ${last}, and ${given} were written`]
}

function unreadable(
  all: Query,
  table: 'resources' | 'assignments',
  column: 'json' | 'envelope',
  schema: { safeParse(value: unknown): { readonly success: boolean } },
): readonly string[] {
  return all(`SELECT * FROM ${table}`).flatMap((row) => {
    const name =
      table === 'resources' ? `${row.kind}/${row.name}` : `order ${row.epoch}.${row.number} of ${row.node}`
    return schema.safeParse(jsonOf(String(row[column]))).success ? [] : [`${name} cannot be read`]
  })
}

function registryBlobs(all: Query): DatabaseCheck['blobs'] {
  const rows = all(
    'SELECT repository, digest FROM registry_blobs UNION SELECT repository, digest FROM registry_manifests',
  )
  return rows.flatMap(({ repository, digest }) =>
    typeof digest === 'string' && isDigest(digest) ? [{ repository: String(repository), digest }] : [],
  )
}
