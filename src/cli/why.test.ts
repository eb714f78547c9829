import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NodeStatus } from '../api/index.ts'
import { createNodeKey } from '../identity/index.ts'
import { digestOf, openContentStore } from '../oci/index.ts'
import { generateKeyPair } from '../sign/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import {
  fleetOf,
  type ReleaseFixture,
  releaseFixture,
  statusRunning,
  TestNode,
  type TestServer,
  testServer,
} from '../testing/index.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'

let server: TestServer
let folder: string
let cli: CommandFixture
let release: ReleaseFixture
let node: TestNode
/** How far the clock of the node is off. */
let offMs: number

beforeEach(async () => {
  offMs = 0
  folder = mkdtempSync(join(tmpdir(), 'ashlar-why-'))
  cli = commandFixture(realSys, folder)
  server = await testServer()
  await cli.login(server.url, server.adminToken)
  const key = generateKeyPair()
  writeFileSync(join(folder, 'release.key'), key.privateKey)
  const role = (publicKey: string) => ({ threshold: 1, keys: [publicKey] })
  const trust = { release: role(key.publicKey), director: role(server.directorKey.publicKey) }
  writeFileSync(
    join(folder, 'trust.json'),
    JSON.stringify({ apiVersion: 'ashlar/v1', kind: 'TrustRoot', version: 1, ...trust }),
  )
  const repository = (await openContentStore(realSys, join(folder, 'store'))).repository('gateway')
  release = await releaseFixture(repository, { tag: '1.0.0' })
  for (const words of [
    ['sign', 'gateway:1.0.0', '--key', join(folder, 'release.key')],
    ['push', 'gateway:1.0.0'],
  ])
    expect(await cli.run(...words)).toMatchObject({ exitCode: 0 })
  node = await enrolled()
  await server.client.apply(fleetOf('gateways', { role: 'gateway' }, [{ percent: 100 }]))
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

async function enrolled(): Promise<TestNode> {
  const sys: Sys = { ...realSys, clock: { ...realSys.clock, now: () => realSys.clock.now() + offMs } }
  const { token } = await server.client.createToken({
    is: 'enrolment',
    node: 'node-1',
    labels: { role: 'gateway' },
  })
  const { publicKey, privateKey } = createNodeKey()
  const { epoch } = await server.clientWith(`Bearer ${token}`).enrol(publicKey)
  return new TestNode(sys, 'node-1', privateKey, epoch, () => server.url)
}

/** The node says that it runs the release, and more. */
function report(more: Partial<NodeStatus> = {}): Promise<void> {
  const status = statusRunning(release.digest)
  const running = { ...status.running, root: digestOf(release.root) }
  return node.client.reportStatus({ ...status, running, ...more })
}

/** The order that the node is given. */
async function ordered() {
  await server.client.startRollout({ fleet: 'gateways', release: release.digest, intent: 'update' })
  const answer = await node.next()
  if (answer === undefined) throw new Error('no order came')
  return { order: answer.order, release: release.digest }
}

async function why() {
  const words = ['why', 'node-1', '--trust', join(folder, 'trust.json')]
  const { stdout } = await cli.run(...words, '--json')
  const { exitCode, stdout: text } = await cli.run(...words)
  return { exitCode, text, json: JSON.parse(stdout) }
}

describe('ashlar why', () => {
  test('of a node that does as it is told has a chain, and nothing below it', async () => {
    await report({ outcome: { ...(await ordered()), is: 'confirmed' } })
    const { json, text } = await why()
    expect(json.notices).toEqual([])
    expect(text).not.toMatch(/^!/m)
    expect(json.links.map(({ what, is }: Record<string, string>) => `${what} ${is}`)).toEqual([
      ...['root reported', 'slot reported', 'assignment proved', 'rollout reported'],
      ...['signature proved', 'release proved', 'lock proved', 'commit absent'],
    ])
  })

  test('says which order the node refused, for what reason, and what is to be done', async () => {
    const reason = { code: 'signatures-too-few', message: 'only 1 of the 2 signatures' }
    const given = await ordered()
    await report({ outcome: { ...given, is: 'refused', reason } })
    const { json, text } = await why()
    expect(json.notices).toMatchObject([{ what: 'order', reason }])
    expect(text).toContain(
      `! order      (${given.order.epoch}, 1) to ${release.digest.slice(7, 19)} refused: only 1 of the 2 signatures [signatures-too-few]\n    mend add a signature`,
    )
  })

  test('says what the node warns of', async () => {
    const warning = { code: 'disk-full', message: 'no room in /var' }
    await report({ warnings: [warning] })
    const { json, text } = await why()
    expect(json.notices).toMatchObject([{ what: 'warning', reason: warning }])
    expect(text).toContain('! warning    of the node: no room in /var [disk-full]\n    mend make space')
  })

  test('says why the server refuses the node, also before it ever reported', async () => {
    offMs = 86_400_000
    await expect(report()).rejects.toMatchObject({ code: 'credential-expired' })
    expect((await why()).json.error).toMatchObject({
      code: 'resource-unknown',
      findings: [{ code: 'credential-expired', hint: expect.stringContaining('timedatectl') }],
    })
    offMs = 0
    await report()
    expect((await why()).json.notices).toEqual([])
    offMs = 86_400_000
    await expect(report()).rejects.toMatchObject({ code: 'credential-expired' })
    const { json, text } = await why()
    expect(json.notices).toMatchObject([{ what: 'refused', reason: { code: 'credential-expired' } }])
    expect(text).toMatch(
      /^! refused {4}by the server, last at 20.*\[credential-expired\]\n {4}mend .*timedatectl/m,
    )
  })
})
