import type { AssignmentAnswer, Envelope, Kind, Resource, ResourceOf } from '../api/index.ts'

/** Who wrote what, for the log row that commits with the write. */
export interface Attribution {
  /** `admin`, `operator:NAME`, `node:NAME`, `director`, `server`. */
  readonly actor: string
  /** `fleet.apply`, `assignment.give` … */
  readonly action: string
  readonly detail: unknown
}

/**
 * One write of a resource. It is compared with what is there: `metadata.version` is the version that the writer read,
 * and is absent where the resource must not exist yet.
 */
export type Change = Attribution &
  (
    | { readonly put: Resource }
    | { readonly remove: { readonly kind: Kind; readonly name: string; readonly version: number } }
  )

/** An order as it was signed; it is kept for ever. */
export interface GivenAssignment extends AssignmentAnswer {
  readonly node: string
}

/** Happens whole and durably, or not at all. */
export interface Transaction {
  readonly changes: readonly Change[]
  readonly assignments?: readonly GivenAssignment[]
  /** The log's sequence before anything was read. It fails when anything was written since: for a write that rests on more than it puts. */
  readonly asOf?: number
}

/** What a transaction changed; `resource` is absent where it was removed. */
export interface Changed {
  readonly kind: Kind
  readonly name: string
  readonly resource?: Resource
}

export interface ResourceReader {
  get<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K> | undefined>
  /** In the order of their names. */
  list<K extends Kind>(kind: K): Promise<readonly ResourceOf<K>[]>
}

/** What the director needs of a database. */
export interface FleetStore extends ResourceReader {
  /** Seconds since 1970 at which this database was made: a later database's orders win over an earlier one's. */
  readonly epoch: number
  /** Of the log's last row. */
  sequence(): Promise<number>
  /** The resources as they now are, in the order of the puts. @throws an AshlarError `conflict` when a comparison failed */
  commit(transaction: Transaction): Promise<readonly Resource[]>
  /** The highest order that this node was ever given, also under a name that was removed and enrolled again. */
  lastAssignment(node: string): Promise<AssignmentAnswer | undefined>
  /** Is called after each commit, in the order of the commits. Gives the call that ends it. */
  onCommit(listener: (changed: readonly Changed[]) => void): () => void
}

/** Signs a payload as the director. */
export type SignAssignment = (payloadType: string, payload: string) => Envelope
