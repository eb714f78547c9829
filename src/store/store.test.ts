import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fleet } from '../api/index.ts'
import { registryIndexContract } from '../testing/index.ts'
import { openStore, type Store } from './index.ts'

let folder = ''
let now = 1_700_000_000_500
const clock = { now: () => now }
const opened: Store[] = []
const path = () => join(folder, 'ashlar.db')
const open = () => {
  const store = openStore(path(), clock)
  opened.push(store)
  return store
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-store-'))
  now = 1_700_000_000_500
})
afterEach(() => {
  for (const store of opened.splice(0)) store.close()
  rmSync(folder, { recursive: true })
})

registryIndexContract('SQLite', async () => open().registryIndex)

const fleet = (name: string, version?: number): Fleet => ({
  apiVersion: 'ashlar/v1',
  kind: 'Fleet',
  metadata: { name, labels: {}, ...(version !== undefined && { version }) },
  spec: {
    nodes: { matchLabels: { site: 'a' } },
    image: 'gateway',
    rollout: { waves: [{ count: 1 }], deadline: '15m' },
  },
  status: {},
})
const put = (resource: Fleet) => ({ put: resource, actor: 'admin', action: 'fleet.apply', detail: null })
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error as { code?: string }).code,
  )
const order = (number: number) => ({
  node: 'n',
  order: { epoch: 7, number },
  envelope: { payloadType: 't', payload: '', signatures: [{ sig: 'AAAA' }] },
})

describe('writes', () => {
  test('a write is compared with the version that was read, and says which one is there', async () => {
    const store = open()
    const [first] = await store.commit({ changes: [put(fleet('f'))] })
    const version = first?.metadata.version
    expect(await codeOf(store.commit({ changes: [put(fleet('f'))] }))).toBe('conflict')
    const [second] = await store.commit({ changes: [put(fleet('f', version))] })
    expect(await codeOf(store.commit({ changes: [put(fleet('f', version))] }))).toBe('conflict')
    expect(second?.metadata.version).toBeGreaterThan(version ?? 0)
    expect((await store.get('Fleet', 'f'))?.metadata.version).toBe(second?.metadata.version)
  })

  test('a resource that was removed and made again never has an old version', async () => {
    const store = open()
    const [first] = await store.commit({ changes: [put(fleet('f'))] })
    const version = first?.metadata.version ?? 0
    const remove = { kind: 'Fleet' as const, name: 'f', version }
    const change = { remove, actor: 'admin', action: 'fleet.remove', detail: null }
    await store.commit({ changes: [change] })
    expect(await store.get('Fleet', 'f')).toBeUndefined()
    expect(await codeOf(store.commit({ changes: [change] }))).toBe('conflict')
    const [again] = await store.commit({ changes: [put(fleet('f'))] })
    expect(again?.metadata.version).toBeGreaterThan(version)
    expect(await codeOf(store.commit({ changes: [put(fleet('f', version))] }))).toBe('conflict')
  })

  test('of a transaction that fails nothing stays: no resource, no order, no log row', async () => {
    const store = open()
    await store.commit({ changes: [put(fleet('a'))] })
    const failing = { changes: [put(fleet('b')), put(fleet('a'))], assignments: [order(1)] }
    expect(await codeOf(store.commit(failing))).toBe('conflict')
    expect(await store.get('Fleet', 'b')).toBeUndefined()
    expect(await store.lastAssignment('n')).toBeUndefined()
    expect(await store.log(0, 100)).toHaveLength(1)
  })

  test('each write has its log row, and the row is the version', async () => {
    const store = open()
    const [a] = await store.commit({ changes: [put(fleet('a'))] })
    const rows = await store.log(0, 100)
    expect(rows).toEqual([
      {
        sequence: a?.metadata.version,
        at: now,
        actor: 'admin',
        action: 'fleet.apply',
        subject: 'Fleet/a',
        detail: null,
      },
    ])
    expect(await store.log(rows[0]?.sequence ?? 0, 100)).toEqual([])
  })

  test('an order is given once, and the highest is the last', async () => {
    const store = open()
    await store.commit({ changes: [], assignments: [order(1), order(2)] })
    expect(await codeOf(store.commit({ changes: [], assignments: [order(2)] }))).toBe('conflict')
    expect((await store.lastAssignment('n'))?.order).toEqual({ epoch: 7, number: 2 })
  })

  test('listeners hear of what was committed, and of nothing else', async () => {
    const store = open()
    const heard: string[] = []
    const stop = store.onCommit((changed) =>
      heard.push(...changed.map(({ kind, name }) => `${kind}/${name}`)),
    )
    await store.commit({ changes: [put(fleet('a')), put(fleet('b'))] })
    await codeOf(store.commit({ changes: [put(fleet('a'))] }))
    stop()
    await store.commit({ changes: [put(fleet('c'))] })
    expect(heard).toEqual(['Fleet/a', 'Fleet/b'])
  })
})

describe('tokens', () => {
  const claim = { is: 'enrolment' as const, node: 'node-1', labels: { site: 'a' } }

  test('a one-time token is used up with what it allowed, or stays', async () => {
    const store = open()
    await store.addToken({ hash: 'h', expiresAt: now + 1_000, claim }, 'admin')
    expect(await store.claimOf('h')).toEqual(claim)
    await store.commit({ changes: [put(fleet('a'))] })
    expect(await codeOf(store.commit({ changes: [put(fleet('a'))] }, { hash: 'h' }))).toBe('conflict')
    expect(await store.claimOf('h')).toEqual(claim)
    await store.commit({ changes: [put(fleet('b'))] }, { hash: 'h' })
    expect(await codeOf(store.commit({ changes: [put(fleet('c'))] }, { hash: 'h' }))).toBe('token-spent')
    expect(await store.get('Fleet', 'c')).toBeUndefined()
  })

  test('a used token still tells whose it was, for good', async () => {
    const store = open()
    await store.addToken({ hash: 'h', expiresAt: now + 1_000, claim }, 'admin')
    await store.commit({ changes: [] }, { hash: 'h' })
    now += 2_000
    await store.addToken({ hash: 'other', expiresAt: now + 1_000, claim }, 'admin')
    expect(await store.claimOf('h')).toEqual(claim)
  })

  test('an expired token is good for nothing', async () => {
    const store = open()
    await store.addToken({ hash: 'h', expiresAt: now + 1_000, claim }, 'admin')
    now += 1_000
    expect(await store.claimOf('h')).toBeUndefined()
    expect(await codeOf(store.commit({ changes: [] }, { hash: 'h' }))).toBe('token-spent')
  })

  test('the log names a token by what it is for, never by its hash', async () => {
    const store = open()
    await store.addToken({ hash: 'the-hash', claim: { is: 'operator', name: 'eve' } }, 'admin')
    const [row] = await store.log(0, 10)
    expect(row).toMatchObject({ action: 'token.create', subject: 'Token/operator' })
    expect(JSON.stringify(row)).not.toContain('the-hash')
  })
})

describe('opening', () => {
  const codeOfOpening = () => {
    try {
      open()
      return 'no error'
    } catch (error) {
      return (error as { code?: string }).code
    }
  }

  test('everything is there again, and the epoch stays', async () => {
    const store = open()
    await store.commit({ changes: [put(fleet('a'))] })
    store.close()
    opened.length = 0
    now += 5_000
    const again = open()
    expect(again.epoch).toBe(1_700_000_000)
    expect((await again.get('Fleet', 'a'))?.metadata.name).toBe('a')
  })

  test('a file that is no database is refused', () => {
    writeFileSync(path(), 'no database at all, '.repeat(100))
    expect(codeOfOpening()).toBe('database-corrupt')
  })

  test('a database with damaged pages is refused', async () => {
    const store = open()
    for (let n = 0; n < 300; n++) await store.commit({ changes: [put(fleet(`fleet-${n}`))] })
    store.close()
    opened.length = 0
    const database = new DatabaseSync(path())
    const pages = Number(database.prepare('PRAGMA page_count').get()?.page_count)
    database.close()
    writeFileSync(path(), Buffer.alloc(4096 * (pages - 5), 0xff), { flag: 'r+' })
    expect(codeOfOpening()).toBe('database-corrupt')
  })

  test('a database of a newer schema is refused', () => {
    const database = new DatabaseSync(path())
    database.exec('PRAGMA user_version = 99')
    database.close()
    expect(codeOfOpening()).toBe('database-too-new')
  })

  test('one process at a time', () => {
    open()
    expect(codeOfOpening()).toBe('database-in-use')
  })
})
