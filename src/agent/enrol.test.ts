import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TinyServer } from '../../test/system/machines/tiny-server.ts'
import { digestFromHex } from '../core/index.ts'
import { parseEnrolment, printEnrolment } from '../identity/index.ts'
import { openContentStore } from '../oci/index.ts'
import { generateKeyPair, loadPrivateKey } from '../sign/index.ts'
import { realSys } from '../sys/index.ts'
import { releaseFixture } from '../testing/index.ts'
import { nodeIdentity } from './enrol.ts'
import type { NodePaths } from './node-files.ts'
import { openServerLink } from './server-link.ts'
import { NodeMemory } from './state.ts'

let work: string
let paths: NodePaths
let memory: NodeMemory
let server: TinyServer
let release: Awaited<ReturnType<typeof releaseFixture>>

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-enrol-'))
  const credentials = join(work, 'credentials')
  mkdirSync(credentials)
  paths = {
    image: work,
    localHooks: work,
    state: join(work, 'state'),
    runtime: work,
    disk: join(work, 'disk'),
    credentials,
  }
  memory = new NodeMemory(realSys, paths)
  const repository = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  release = await releaseFixture(repository)
  server = new TinyServer(repository, loadPrivateKey(generateKeyPair().privateKey), '127.0.0.1')
  await server.start()
})
afterEach(async () => {
  await server.stop()
  rmSync(work, { recursive: true, force: true })
})

const enrol = () => nodeIdentity(realSys, paths, memory)
const give = (text: string) => writeFileSync(join(paths.credentials, 'ashlar.enrolment'), text)

describe('enrolment', () => {
  test('without a token there is none', async () => {
    expect(await enrol()).toBeUndefined()
  })

  test('makes a key of its own, pins the authority, and is done once', async () => {
    give(`${server.enrolmentFor('node-1')}\n`)
    const identity = await enrol()
    expect(identity).toMatchObject({ node: 'node-1', server: server.url, enrolled: true })
    expect(await enrol()).toEqual(identity)
    rmSync(paths.state, { recursive: true })
    expect(await enrol()).toEqual(identity)
  })

  test('a server that shows another authority learns neither token nor key', async () => {
    const { server: url, node, secret } = parseEnrolment(server.enrolmentFor('node-1'))
    give(printEnrolment({ server: url, node, secret, fingerprint: digestFromHex('0'.repeat(64)) }))
    await expect(enrol()).rejects.toMatchObject({ code: 'ca-mismatch' })
    expect(await memory.secret('identity.json')).toBeUndefined()
  })

  test('that the server refuses keeps its key for the next attempt', async () => {
    give(server.enrolmentFor('node-1'))
    server.open = false
    await expect(enrol()).rejects.toMatchObject({ code: 'server-refused' })
    const first = JSON.parse((await memory.secret('identity.json')) ?? '{}') as { publicKey?: string }
    server.open = true
    expect((await enrol())?.publicKey).toBe(first.publicKey)
  })
})

describe('the link', () => {
  test('carries orders, reports and content with credentials that the server accepts', async () => {
    give(server.enrolmentFor('node-1'))
    const identity = await enrol()
    if (identity === undefined) throw new Error('enrolled')
    const link = openServerLink(realSys, identity)
    expect(await link.assignment({ epoch: 0, number: 0 }, 0)).toBeUndefined()
    const waiting = link.assignment({ epoch: 0, number: 0 }, 20)
    const order = server.order('node-1', release.digest)
    expect((await waiting)?.order).toEqual(order)
    expect(await link.assignment(order, 0)).toBeUndefined()
    expect((await link.repository('gateway').manifest(release.digest))?.digest).toBe(release.digest)
  })

  test('of a node with another key is refused', async () => {
    give(server.enrolmentFor('node-1'))
    const identity = await enrol()
    if (identity === undefined) throw new Error('enrolled')
    const { privateKey } = generateKeyPair()
    const link = openServerLink(realSys, { ...identity, privateKey })
    await expect(link.assignment({ epoch: 0, number: 0 }, 0)).rejects.toMatchObject({
      code: 'server-refused',
    })
  })
})
