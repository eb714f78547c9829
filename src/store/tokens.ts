import { type TokenClaim, tokenClaimSchema } from '../api/index.ts'
import type { Database } from './database.ts'
import { StoreError } from './errors.ts'

export interface StoredToken {
  /** Of the secret; the secret itself is nowhere. */
  readonly hash: string
  /** Milliseconds since 1970; without it the token does not expire. */
  readonly expiresAt?: number
  readonly claim: TokenClaim
}

/** Stores a token and forgets those that have expired unused; a used one still tells whose node it made. */
export function insertToken(database: Database, token: StoredToken, now: number): void {
  database.run('DELETE FROM tokens WHERE used_at IS NULL AND expires_at <= ?', now)
  database.run(
    'INSERT INTO tokens (hash, expires_at, json) VALUES (?, ?, ?)',
    token.hash,
    token.expiresAt ?? null,
    JSON.stringify(token.claim),
  )
}

/** Whose the token of this hash is; undefined where it is unknown or has expired unused. What it allows once it allows no more. */
export function claimOf(database: Database, hash: string, now: number): TokenClaim | undefined {
  const row = database.get(
    'SELECT json FROM tokens WHERE hash = ? AND (used_at IS NOT NULL OR expires_at IS NULL OR expires_at > ?)',
    hash,
    now,
  )
  return row === undefined ? undefined : tokenClaimSchema.parse(JSON.parse(String(row.json)))
}

/** Uses a one-time token inside the transaction of what it allows. @throws StoreError `token-spent` */
export function spendToken(database: Database, hash: string, now: number): void {
  const spent = database.run(
    'UPDATE tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL AND (expires_at IS NULL OR expires_at > ?)',
    now,
    hash,
    now,
  )
  if (spent !== 1) throw new StoreError('token-spent', 'the token was used already or has expired')
}
