import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openServerLink } from '../agent/index.ts'
import {
  createAuthority,
  createNodeKey,
  issueServerCertificate,
  isValidAt,
  needsRenewal,
} from '../identity/index.ts'
import { generateKeyPair, loadPrivateKey } from '../sign/index.ts'
import { openStore } from '../store/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { fleetOf, statusRunning, testServer } from '../testing/index.ts'
import { startServer } from './index.ts'

const hour = 3_600_000
const year = 365 * 24 * hour
/** A world whose clock is wrong by so much. */
const shifted = (off: { ms: number }): Sys => ({
  ...realSys,
  clock: { ...realSys.clock, now: () => realSys.clock.now() + off.ms },
})
const in1970 = () => 1 - realSys.clock.now()

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-clock-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a node', () => {
  test.each([
    ['in 1970', in1970()],
    ['ten years ahead', 10 * year],
    ['two minutes behind', -120_000 - 5_000],
    ['at no time that there is', 9e15],
  ])(
    '%s is told clock-far-off, its server shows that, and all is well when its clock is right',
    async (_, ms) => {
      const server = await testServer()
      try {
        const off = { ms: 0 }
        const { token } = await server.client.createToken({ is: 'enrolment', node: 'lost', labels: {} })
        const { publicKey, privateKey } = createNodeKey()
        await server.clientWith(`Bearer ${token}`).enrol(publicKey)
        const identity = { node: 'lost', server: server.url, privateKey, publicKey, enrolled: true }
        const link = openServerLink(shifted(off), identity)
        const report = () => link.report(statusRunning(server.directorKey.keyId))
        const refused = async () => (await server.client.get('Node', 'lost')).status.refused
        expect(await refused()).toBeUndefined()
        off.ms = ms
        await expect(report()).rejects.toMatchObject({
          code: 'clock-far-off',
          hint: expect.stringContaining('timedatectl'),
        })
        await expect(link.assignment({ epoch: 0, number: 0 }, 0)).rejects.toMatchObject({
          code: 'clock-far-off',
        })
        expect(await refused()).toMatchObject({
          code: 'credential-expired',
          message: expect.stringContaining('the clock of the node'),
        })
        off.ms = 0
        await report()
        expect(await refused()).toBeUndefined()
      } finally {
        await server.close()
      }
    },
  )

  test('cannot be made to look as if its clock were wrong by somebody else', async () => {
    const server = await testServer()
    try {
      const node = await server.enrol('honest')
      const stranger = { node: 'honest', server: server.url, ...createNodeKey(), enrolled: true }
      const link = openServerLink(shifted({ ms: 10 * year }), stranger)
      await expect(link.report(statusRunning(node.running))).rejects.toMatchObject({ code: 'server-refused' })
      expect((await server.client.get('Node', 'honest')).status.refused).toBeUndefined()
    } finally {
      await server.close()
    }
  })
})

describe('a server', () => {
  const start = (ms: number, host = '127.0.0.1') =>
    startServer({
      ...{ sys: shifted({ ms }), dataFolder: folder, listen: { host, port: 0 }, onError: () => undefined },
      ...(host === '0.0.0.0' && { advertise: ['127.0.0.1'] }),
      directorKey: loadPrivateKey(generateKeyPair().privateKey),
    })

  test('whose clock says 1970 is not started, and makes nothing', async () => {
    await expect(start(in1970(), '0.0.0.0')).rejects.toMatchObject({ code: 'clock-far-off' })
    const server = await start(0, '0.0.0.0')
    expect(server.adminToken).toBeDefined()
    await server.close()
  })

  test('whose clock is past the end of its authority is not started; it is when the clock is right', async () => {
    await (await start(0, '0.0.0.0')).close()
    await expect(start(11 * year, '0.0.0.0')).rejects.toMatchObject({ code: 'clock-far-off' })
    await (await start(0, '0.0.0.0')).close()
  })

  test('that was started years ahead issues its certificate anew when the clock is right', () => {
    const now = realSys.clock.now()
    const authority = createAuthority({ now })
    const { chain } = issueServerCertificate(authority, { names: ['x'], addresses: [], now: now + 5 * year })
    expect([isValidAt(chain, now), needsRenewal(chain, now), needsRenewal(chain, now + 5 * year)]).toEqual([
      false,
      true,
      false,
    ])
  })
})

describe('a clock that is set back', () => {
  const at = 1_900_000_000_000
  let now = at
  const open = () => openStore(join(folder, 'ashlar.db'), { now: () => now })
  const apply = (store: ReturnType<typeof open>, name: string) =>
    store.commit({
      changes: [
        {
          put: fleetOf(name, { site: 'x' }, [{ count: 1 }]),
          actor: 'admin',
          action: 'fleet.apply',
          detail: {},
        },
      ],
    })
  beforeEach(() => {
    now = at
  })

  test('by an hour leaves the log in order, and brings no token back that had expired', async () => {
    const store = open()
    await store.addToken(
      { hash: 'sha256:1', expiresAt: at + hour, claim: { is: 'operator', name: 'ann' } },
      'admin',
    )
    now = at + 2 * hour
    await apply(store, 'one')
    expect(await store.claimOf('sha256:1')).toBeUndefined()
    now = at + 0.5 * hour
    await apply(store, 'two')
    expect(await store.claimOf('sha256:1')).toBeUndefined()
    now = at + 3 * hour
    await apply(store, 'three')
    const times = (await store.log(0, 10)).map((row) => (row.at - at) / hour)
    expect(times).toEqual([0, 2, 2, 3])
    store.close()
  })

  test('by years was wrong before: the log goes on at the time that is', async () => {
    const store = open()
    now = at + 10 * year
    await apply(store, 'one')
    now = at
    await apply(store, 'two')
    await store.addToken(
      { hash: 'sha256:1', expiresAt: at + hour, claim: { is: 'operator', name: 'ann' } },
      'admin',
    )
    expect(await store.claimOf('sha256:1')).toMatchObject({ name: 'ann' })
    expect((await store.log(0, 10)).map(({ sequence, at: time }) => [sequence, time - at])).toEqual([
      [1, 10 * year],
      [2, 0],
      [3, 0],
    ])
    store.close()
  })

  test('gives no order a number twice', async () => {
    const store = open()
    const { epoch } = store
    const assignments = [
      {
        node: 'n',
        order: { epoch, number: 1 },
        envelope: { payloadType: 'x', payload: '', signatures: [{ sig: '' }] },
      },
    ]
    await store.commit({ changes: [], assignments })
    now = at - 20 * year
    await expect(store.commit({ changes: [], assignments })).rejects.toMatchObject({ code: 'conflict' })
    store.close()
    const again = open()
    expect(again.epoch).toBe(epoch)
    expect((await again.lastAssignment('n'))?.order).toEqual({ epoch, number: 1 })
    again.close()
  })
})
