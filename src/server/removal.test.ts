import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Kind, Resource } from '../api/index.ts'
import { digestFromHex } from '../core/index.ts'
import { Director, releaseName } from '../fleet/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { realSys } from '../sys/index.ts'
import { fleetOf } from '../testing/index.ts'
import { remove } from './removal.ts'

/** What happens between the reading and the writing of another. */
let folder = ''
let store: Store
const release = digestFromHex('ab'.repeat(32))
const image = { repository: 'gateway', image: 'gateway', version: '1.0.0', counter: 1, floor: 0 }
const resources: readonly Resource[] = [
  fleetOf('plants', { site: 'plant' }, [{ count: 1 }]),
  fleetOf('others', { site: 'plant' }, [{ count: 1 }]),
  {
    ...{ apiVersion: 'ashlar/v1', kind: 'Release', metadata: { name: releaseName(release), labels: {} } },
    spec: { digest: release, ...image },
  },
  {
    ...{ apiVersion: 'ashlar/v1', kind: 'Node', metadata: { name: 'node-1', labels: { site: 'plant' } } },
    ...{ spec: { publicKey: '' }, status: {} },
  },
]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-removal-'))
  store = openStore(join(folder, 'ashlar.db'), realSys.clock)
  for (const put of resources)
    await store.commit({ changes: [{ put, actor: 'admin', action: 'test', detail: null }] })
})
afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

/** The store, in which somebody else acts once, right after the rollouts were read. */
function storeBefore(other: () => Promise<unknown>): Store {
  let done = false
  const meddled = Object.create(store) as Store
  meddled.get = (kind, name) => store.get(kind, name)
  meddled.sequence = () => store.sequence()
  meddled.commit = (transaction) => store.commit(transaction)
  meddled.list = async (kind) => {
    const found = await store.list(kind)
    if (kind === 'Rollout' && !done) {
      done = true
      await other()
    }
    return found
  }
  return meddled
}
const directorOf = (on: Store) =>
  new Director({ store: on, clock: realSys.clock, sign: () => expect.unreachable('nothing is ordered') })
const start = (on: Store, fleet = 'plants') => directorOf(on).start({ fleet, release }, 'admin')
const drop = (on: Store, kind: Kind, name: string) =>
  remove(on, { kind, name, version: undefined, actor: 'admin' })

test('a fleet that is removed while a rollout of it starts has none', async () => {
  const meddled = storeBefore(() => drop(store, 'Fleet', 'plants'))
  await expect(start(meddled)).rejects.toMatchObject({ code: 'fleet-unknown' })
  expect(await store.list('Rollout')).toEqual([])
})

test.each([
  ['Fleet', 'plants'],
  ['Release', releaseName(release)],
] as const)('a %s for which a rollout starts while it is removed stays', async (kind, name) => {
  const meddled = storeBefore(() => start(store))
  await expect(drop(meddled, kind, name)).rejects.toMatchObject({ code: 'in-use' })
  expect(await store.get(kind, name)).toBeDefined()
})

test('of two fleets that share a node and start at once, one is refused', async () => {
  const meddled = storeBefore(() => start(store, 'others'))
  await expect(start(meddled)).rejects.toMatchObject({ code: 'node-busy' })
})

test('what somebody else writes meanwhile and nobody needs stops no removal', async () => {
  const meddled = storeBefore(() => drop(store, 'Node', 'node-1'))
  await drop(meddled, 'Fleet', 'plants')
  expect(await store.get('Fleet', 'plants')).toBeUndefined()
})
