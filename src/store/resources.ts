import {
  type AssignmentAnswer,
  envelopeSchema,
  type Kind,
  type Resource,
  type ResourceOf,
  resourceSchema,
} from '../api/index.ts'
import type { Change, Changed, GivenAssignment } from '../fleet/index.ts'
import type { Database, Row } from './database.ts'
import { StoreError } from './errors.ts'
import { appendLog } from './log.ts'

export function getResource<K extends Kind>(
  database: Database,
  kind: K,
  name: string,
): ResourceOf<K> | undefined {
  const row = database.get('SELECT json, version FROM resources WHERE kind = ? AND name = ?', kind, name)
  return row === undefined ? undefined : (parsed(row) as ResourceOf<K>)
}

export function listResources<K extends Kind>(database: Database, kind: K): readonly ResourceOf<K>[] {
  const rows = database.all('SELECT json, version FROM resources WHERE kind = ? ORDER BY name', kind)
  return rows.map((row) => parsed(row) as ResourceOf<K>)
}

/** Makes one change inside a transaction. @throws StoreError `conflict` */
export function applyChange(database: Database, change: Change, at: number): Changed {
  if ('put' in change) return putResource(database, change, change.put, at)
  const { kind, name, version } = change.remove
  const removed = database.run(
    'DELETE FROM resources WHERE kind = ? AND name = ? AND version = ?',
    kind,
    name,
    version,
  )
  if (removed !== 1) throw conflict(database, kind, name)
  appendLog(database, { ...change, at, subject: `${kind}/${name}` })
  return { kind, name }
}

export function insertAssignment(database: Database, given: GivenAssignment): void {
  const { node, order, envelope } = given
  const inserted = database.run(
    'INSERT INTO assignments (node, epoch, number, envelope) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    node,
    order.epoch,
    order.number,
    JSON.stringify(envelope),
  )
  if (inserted !== 1)
    throw new StoreError('conflict', `node ${node} was given an order of that number meanwhile`)
}

/** The highest order that a node was given. */
export function lastAssignment(database: Database, node: string): AssignmentAnswer | undefined {
  const row = database.get(
    'SELECT * FROM assignments WHERE node = ? ORDER BY epoch DESC, number DESC LIMIT 1',
    node,
  )
  if (row === undefined) return undefined
  const envelope = envelopeSchema.parse(JSON.parse(String(row.envelope)))
  return { order: { epoch: Number(row.epoch), number: Number(row.number) }, envelope }
}

function putResource(database: Database, change: Change, put: Resource, at: number): Changed {
  const { kind } = put
  const { name, version: read } = put.metadata
  const subject = `${kind}/${name}`
  const version = appendLog(database, { ...change, at, subject })
  const createdAt = put.metadata.createdAt ?? at
  const resource = { ...put, metadata: { ...put.metadata, version, createdAt, updatedAt: at } }
  const json = JSON.stringify(resource)
  const written =
    read === undefined
      ? database.run(
          'INSERT INTO resources (kind, name, version, json) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
          kind,
          name,
          version,
          json,
        )
      : database.run(
          'UPDATE resources SET version = ?, json = ? WHERE kind = ? AND name = ? AND version = ?',
          version,
          json,
          kind,
          name,
          read,
        )
  if (written !== 1) throw conflict(database, kind, name)
  return { kind, name, resource }
}

function conflict(database: Database, kind: Kind, name: string): StoreError {
  const current = getResource(database, kind, name)?.metadata.version
  return new StoreError(
    'conflict',
    current === undefined
      ? `${kind} ${name} is no longer there`
      : `${kind} ${name} is in version ${current} now`,
    { where: `${kind}/${name}`, hint: 'read it again and make the change to what is there' },
  )
}

function parsed(row: Row): Resource {
  return resourceSchema.parse(JSON.parse(String(row.json)))
}
