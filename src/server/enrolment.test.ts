import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type NodeIdentity,
  NodeMemory,
  type NodePaths,
  nodeIdentity,
  openServerLink,
} from '../agent/index.ts'
import { ApiError } from '../api/index.ts'
import { createNodeKey, printEnrolment } from '../identity/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type TestServer, testServer } from '../testing/index.ts'

/** The agent's own enrolment against a server whose answers are lost on the way. */
let server: TestServer
let work = ''
let now = realSys.clock.now()
let lost = 0
const sys: Sys = {
  ...realSys,
  net: {
    ...realSys.net,
    request: async (request) => {
      const answer = await realSys.net.request(request)
      if (!request.url.endsWith('/v1/enrol') || lost === 0) return answer
      lost--
      expect(answer.status).toBe(201)
      for await (const _chunk of answer.body);
      throw new Error('the line went down')
    },
  },
}

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-lost-'))
  now = realSys.clock.now()
  server = await testServer({ ...realSys, clock: { ...realSys.clock, now: () => now } })
})
afterEach(async () => {
  await server.close()
  rmSync(work, { recursive: true })
  expect(server.errors).toEqual([])
})

const tokenFor = async (node: string) =>
  (await server.client.createToken({ is: 'enrolment', node, labels: { site: 'a' } })).token

/** A machine with an empty disk that was given this token; each call of `enrol` is one attempt of its agent. */
function machine(node: string, secret: string, name = node) {
  const folder = join(work, name)
  const credentials = join(folder, 'credentials')
  mkdirSync(credentials, { recursive: true })
  writeFileSync(join(credentials, 'ashlar.enrolment'), printEnrolment({ server: server.url, node, secret }))
  const paths: NodePaths = {
    ...{ image: folder, localHooks: folder, runtime: folder, credentials },
    ...{ state: join(folder, 'state'), disk: join(folder, 'disk') },
  }
  const memory = new NodeMemory(sys, paths)
  return { enrol: () => nodeIdentity(sys, paths, memory) }
}

const asks = (identity: NodeIdentity | undefined) => {
  if (identity === undefined) throw new Error('not enrolled')
  return openServerLink(sys, identity).assignment({ epoch: 0, number: 0 }, 0)
}
const enrolWith = (secret: string, publicKey: string) =>
  server
    .clientWith(`Bearer ${secret}`)
    .enrol(publicKey)
    .then(
      () => 'no error',
      (error: unknown) => (error instanceof ApiError ? error.code : error),
    )

test('a node whose answer was lost is enrolled when it asks again, and nothing is written twice', async () => {
  const node = machine('node-1', await tokenFor('node-1'))
  lost = 2
  await expect(node.enrol()).rejects.toThrow('the line went down')
  const made = await server.client.get('Node', 'node-1')
  await expect(node.enrol()).rejects.toThrow('the line went down')
  const identity = await node.enrol()
  expect(identity).toMatchObject({ enrolled: true, publicKey: made.spec.publicKey })
  expect(await asks(identity)).toBeUndefined()
  expect((await server.client.get('Node', 'node-1')).metadata).toEqual(made.metadata)
})

test('a node that was off for longer than its token lived is not locked out', async () => {
  const node = machine('node-1', await tokenFor('node-1'))
  lost = 1
  await expect(node.enrol()).rejects.toThrow('the line went down')
  now += 24 * 3_600_000
  // Another token is made: those that have expired are forgotten then.
  await tokenFor('node-2')
  expect(await node.enrol()).toMatchObject({ enrolled: true })
})

test('a used token is good for the key that it was used with, as long as that is the node’s', async () => {
  const secret = await tokenFor('node-1')
  const first = createNodeKey().publicKey
  expect(await enrolWith(secret, first)).toBe('no error')
  expect(await enrolWith(secret, createNodeKey().publicKey)).toBe('token-spent')
  expect(await enrolWith(secret, first)).toBe('no error')
  const second = createNodeKey().publicKey
  expect(await enrolWith(await tokenFor('node-1'), second)).toBe('no error')
  expect(await enrolWith(secret, first)).toBe('token-spent')
  expect((await server.client.get('Node', 'node-1')).spec.publicKey).toBe(second)
  await server.client.remove('Node', 'node-1')
  expect(await enrolWith(secret, first)).toBe('token-spent')
  expect(await server.client.list('Node')).toEqual([])
})
