import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { AshlarError } from '../core/index.ts'
import { StoreError } from './errors.ts'
import { busyMs } from './limits.ts'
import { migrations } from './migrations.ts'

export type Row = Readonly<Record<string, unknown>>

// sqlite.org/rescode.html
const resultCode = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const

/** One SQLite file, held by this process alone, in which what a transaction wrote is durable when it returns. */
export class Database {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** @throws StoreError `database-in-use`, `database-corrupt`, `database-too-new` */
  constructor(path: string) {
    this.#path = path
    this.#database = this.#translated(() => new DatabaseSync(path))
    try {
      this.#open()
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#translated(() => this.#statement(sql).all(...values)) as readonly Row[]
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#translated(() => this.#statement(sql).get(...values)) as Row | undefined
  }

  /** Gives the number of rows that changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#translated(() => this.#statement(sql).run(...values)).changes)
  }

  /** Runs `work`, which must not await, whole or not at all. */
  transaction<Result>(work: () => Result): Result {
    this.#exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#exec('COMMIT')
      return result
    } catch (error) {
      // A full disk makes SQLite roll back on its own.
      if (this.#database.isTransaction) this.#exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.#database.close()
  }

  #open(): void {
    // Exclusive: a second server on the same folder would not see this one's waiting nodes and spent credentials.
    this.#exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA locking_mode = EXCLUSIVE`)
    this.#exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    const check = this.get('PRAGMA quick_check(1)')?.quick_check
    if (check !== 'ok') throw corrupt(new Error(String(check)), this.#path)
    const version = Number(this.get('PRAGMA user_version')?.user_version)
    if (version > migrations.length)
      throw new StoreError(
        'database-too-new',
        `the database has schema ${version}; this Ashlar knows ${migrations.length}`,
        {
          where: this.#path,
          hint: 'run the newer Ashlar that wrote it',
        },
      )
    for (const [from, sql] of migrations.entries())
      if (from >= version) this.transaction(() => this.#exec(`${sql}; PRAGMA user_version = ${from + 1}`))
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #exec(sql: string): void {
    this.#translated(() => this.#database.exec(sql))
  }

  #translated<Result>(call: () => Result): Result {
    try {
      return call()
    } catch (error) {
      throw storeErrorOf(error, this.#path)
    }
  }
}

/** What SQLite threw, with a code of ours. */
export function storeErrorOf(error: unknown, where: string): unknown {
  if (error instanceof AshlarError || !(error instanceof Error) || !('errcode' in error)) return error
  // The low byte is the primary code; the rest says more about it.
  switch (Number(error.errcode) & 0xff) {
    case resultCode.busy:
      return new StoreError('database-in-use', 'another process holds the database', {
        where,
        cause: error,
        hint: 'one server runs on a data folder: end the other one, or choose another folder with ASHLAR_DATA',
      })
    case resultCode.corrupt:
    case resultCode.notADatabase:
      return corrupt(error, where)
    case resultCode.full:
      return new StoreError('disk-full', 'there is no space left for the database', {
        where,
        cause: error,
        hint: 'make space on the disk that holds it; nothing was lost',
      })
    default:
      return new StoreError('database-failed', `the database failed: ${error.message}`, {
        where,
        cause: error,
      })
  }
}

function corrupt(cause: Error, where: string): StoreError {
  return new StoreError('database-corrupt', `the database is damaged: ${cause.message}`, {
    where,
    cause,
    hint: 'ashlar fsck says what of the server is still good; then put back a backup: it is not opened as it is',
  })
}
