// A server's state in one SQLite file: each write is compared with what was read, and its log row commits with it.
export { checkDatabase, type DatabaseCheck } from './check.ts'
export { StoreError, type StoreErrorCode } from './errors.ts'
export { openStore, type Store } from './store.ts'
export type { StoredToken } from './tokens.ts'
