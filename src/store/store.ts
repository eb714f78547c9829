import type { AssignmentAnswer, Kind, LogEntry, Resource, ResourceOf, TokenClaim } from '../api/index.ts'
import type { Changed, FleetStore, Transaction } from '../fleet/index.ts'
import type { RegistryIndex } from '../registry/index.ts'
import type { Clock } from '../sys/index.ts'
import { Database } from './database.ts'
import { StoreError } from './errors.ts'
import { appendLog, lastSequence, readLog, timeBefore } from './log.ts'
import { SqliteRegistryIndex } from './registry-index.ts'
import { applyChange, getResource, insertAssignment, lastAssignment, listResources } from './resources.ts'
import { claimOf, insertToken, type StoredToken, spendToken } from './tokens.ts'

/** A server's whole state beside the blobs: one SQLite file. */
export interface Store extends FleetStore {
  readonly registryIndex: RegistryIndex
  /** As {@link FleetStore.commit}; a one-time token is used up in the same transaction. @throws StoreError `conflict`, `token-spent` */
  commit(transaction: Transaction, oneTimeToken?: { readonly hash: string }): Promise<readonly Resource[]>
  addToken(token: StoredToken, actor: string): Promise<void>
  /** Whose a token is, also when it was used already; undefined where it is unknown or has expired unused. */
  claimOf(hash: string): Promise<TokenClaim | undefined>
  hasTokens(): Promise<boolean>
  /** Up to `limit` rows after the sequence `after`, oldest first. */
  log(after: number, limit: number): Promise<readonly LogEntry[]>
  close(): void
}

/** @throws StoreError `database-in-use`, `database-corrupt`, `database-too-new` */
export function openStore(path: string, clock: Pick<Clock, 'now'>): Store {
  const database = new Database(path)
  try {
    return new SqliteStore(database, clock)
  } catch (error) {
    database.close()
    throw error
  }
}

class SqliteStore implements Store {
  readonly epoch: number
  readonly registryIndex: RegistryIndex
  readonly #database: Database
  readonly #clock: Pick<Clock, 'now'>
  readonly #listeners = new Set<(changed: readonly Changed[]) => void>()

  constructor(database: Database, clock: Pick<Clock, 'now'>) {
    this.#database = database
    this.#clock = clock
    this.epoch = epochOf(database, clock.now())
    this.registryIndex = new SqliteRegistryIndex(database, () => this.#now())
  }

  /** Of what is written and judged: a clock that was set back by less than a day stands still until it has caught up. */
  #now(): number {
    return Math.max(this.#clock.now(), timeBefore(this.#database, this.#clock.now()))
  }

  async get<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K> | undefined> {
    return getResource(this.#database, kind, name)
  }

  async list<K extends Kind>(kind: K): Promise<readonly ResourceOf<K>[]> {
    return listResources(this.#database, kind)
  }

  async lastAssignment(node: string): Promise<AssignmentAnswer | undefined> {
    return lastAssignment(this.#database, node)
  }

  async sequence(): Promise<number> {
    return lastSequence(this.#database)
  }

  async commit(
    transaction: Transaction,
    oneTimeToken?: { readonly hash: string },
  ): Promise<readonly Resource[]> {
    const now = this.#now()
    const changed = this.#database.transaction(() => {
      const { asOf } = transaction
      if (asOf !== undefined && asOf !== lastSequence(this.#database))
        throw new StoreError('conflict', 'something was written meanwhile')
      if (oneTimeToken !== undefined) spendToken(this.#database, oneTimeToken.hash, now)
      for (const given of transaction.assignments ?? []) insertAssignment(this.#database, given)
      return transaction.changes.map((change) => applyChange(this.#database, change, now))
    })
    for (const listener of this.#listeners) listener(changed)
    return changed.flatMap(({ resource }) => (resource === undefined ? [] : [resource]))
  }

  onCommit(listener: (changed: readonly Changed[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async addToken(token: StoredToken, actor: string): Promise<void> {
    const at = this.#now()
    const { hash: _hash, ...detail } = token
    const subject = `Token/${token.claim.is}`
    this.#database.transaction(() => {
      insertToken(this.#database, token, at)
      appendLog(this.#database, { at, actor, action: 'token.create', subject, detail })
    })
  }

  async claimOf(hash: string): Promise<TokenClaim | undefined> {
    return claimOf(this.#database, hash, this.#now())
  }

  async hasTokens(): Promise<boolean> {
    return this.#database.get('SELECT 1 FROM tokens LIMIT 1') !== undefined
  }

  async log(after: number, limit: number): Promise<readonly LogEntry[]> {
    return readLog(this.#database, after, limit)
  }

  close(): void {
    this.#database.close()
  }
}

/** The second in which the database was made: orders of a database that replaces it win over its own. */
function epochOf(database: Database, now: number): number {
  const known = database.get("SELECT value FROM settings WHERE name = 'epoch'")
  if (known !== undefined) return Number(known.value)
  const epoch = Math.floor(now / 1_000)
  database.run("INSERT INTO settings (name, value) VALUES ('epoch', ?)", epoch)
  return epoch
}
