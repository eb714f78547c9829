import fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiError, credentialAudience, kindPaths } from '../api/index.ts'
import { digestFromHex } from '../core/index.ts'
import { createNodeKey, mintToken, nodeCredential } from '../identity/index.ts'
import { realSys } from '../sys/index.ts'
import { fleetOf, statusRunning, type TestServer, testServer } from '../testing/index.ts'
import { addRoutes } from './app.ts'
import type { Parts } from './parts.ts'

let server: TestServer
beforeAll(async () => {
  server = await testServer()
})
afterAll(() => server.close())

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ApiError ? error.code : error),
  )
const send = (method: string, path: string, authorization?: string, body?: string) =>
  realSys.net.request({
    method,
    url: server.url + path,
    headers: {
      ...(authorization !== undefined && { authorization }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body }),
  })
const statusOf = async (...request: Parameters<typeof send>) => (await send(...request)).status
const bearer = (token: string) => `Bearer ${token}`
const admin = () => bearer(server.adminToken)
const enrolmentToken = async (node: string) =>
  (await server.client.createToken({ is: 'enrolment', node, labels: {} })).token
const fleet = (name: string) => fleetOf(name, { site: 'a' }, [{ count: 1 }])

/** Every route that the API registers, with a name for each parameter. */
function apiRoutes(): readonly string[] {
  const routes: string[] = []
  const app = fastify()
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push(`${one} ${url.replaceAll(/:\w+/g, 'x')}`)
  })
  // Handlers are registered and not called: none of the parts is touched.
  addRoutes(app, {} as Parts)
  return routes
}
const registryRoutes = [
  'GET /v2/',
  'GET /v2',
  'GET /v2/x/manifests/1.0.0',
  'HEAD /v2/x/manifests/1.0.0',
  'PUT /v2/x/manifests/1.0.0',
  'DELETE /v2/x/manifests/1.0.0',
  `GET /v2/x/blobs/sha256:${'0'.repeat(64)}`,
  `HEAD /v2/x/blobs/sha256:${'0'.repeat(64)}`,
  `DELETE /v2/x/blobs/sha256:${'0'.repeat(64)}`,
  'POST /v2/x/blobs/uploads/',
  'PATCH /v2/x/blobs/uploads/1',
  'PUT /v2/x/blobs/uploads/1',
  'GET /v2/x/tags/list',
  `GET /v2/x/referrers/sha256:${'0'.repeat(64)}`,
]

describe('nothing is open', () => {
  test('the routes are found', () => {
    expect(apiRoutes()).toContain('GET /healthz')
    expect(apiRoutes()).toContain('PUT /v1/agent/status')
    for (const path of Object.values(kindPaths)) expect(apiRoutes()).toContain(`GET /v1/${path}/x`)
  })

  test('every route but health wants a credential', async () => {
    const closed = [...apiRoutes().filter((route) => !route.endsWith(' /healthz')), ...registryRoutes]
    expect(closed.length).toBeGreaterThan(30)
    const wrong = bearer(mintToken(realSys.random, 'admin').token)
    const forged = bearer(
      await nodeCredential({
        ...{ node: 'x', privateKey: createNodeKey().privateKey, method: 'GET', path: '/v1/nodes' },
        ...{ audience: credentialAudience(undefined), now: realSys.clock.now() },
      }),
    )
    for (const credential of [undefined, wrong, forged, 'Basic eDp5', 'Bearer x', 'Digest x'])
      for (const route of closed) {
        const [method = '', path = ''] = route.split(' ')
        expect(await statusOf(method, path, credential), `${route} with ${credential}`).toBe(401)
      }
    expect(await statusOf('GET', '/healthz')).toBe(200)
  })

  test('whose credential is refused is told what to do', async () => {
    const node = await server.enrol('lost')
    const path = '/v1/agent/assignment?epoch=0&number=0'
    const used = await node.credential('GET', path)
    await send('GET', path, used)
    const other = await server.enrol('lost')
    const late = await nodeCredential({
      ...{ node: 'lost', privateKey: createNodeKey().privateKey, method: 'GET', path },
      ...{ audience: credentialAudience(undefined), now: realSys.clock.now() - 3_600_000 },
    })
    const foreign = await other.credential('GET', '/v1/nodes')
    for (const credential of [undefined, 'Bearer x', used, bearer(late), foreign]) {
      const answer = await send('GET', path, credential)
      const { error } = JSON.parse(Buffer.concat(await Array.fromAsync(answer.body)).toString())
      expect([answer.status, error.hint], error.code).toEqual([401, expect.stringMatching(/\S{2}/)])
    }
  })

  test('who has no credential does not learn which addresses there are', async () => {
    expect(await statusOf('GET', '/v1/no-such-thing')).toBe(401)
    expect(await statusOf('GET', '/v1/no-such-thing', admin())).toBe(404)
    expect(await statusOf('PATCH', '/healthz')).toBe(401)
  })

  test('a node does a node’s work, an enrolment token enrols, and neither does anything else', async () => {
    const node = await server.enrol('narrow')
    const token = await enrolmentToken('narrow-2')
    for (const route of apiRoutes().filter((each) => !each.endsWith(' /healthz'))) {
      const [method = '', path = ''] = route.split(' ')
      const isAgents = path.startsWith('/v1/agent/')
      const status = await statusOf(method, path, await node.credential(method, path))
      if (isAgents) expect([200, 204, 400, 415], route).toContain(status)
      else expect(status, route).toBe(403)
      if (path !== '/v1/enrol') expect(await statusOf(method, path, bearer(token)), route).toBe(403)
    }
    const push = '/v2/x/blobs/uploads/'
    expect(await statusOf('POST', push, await node.credential('POST', push))).toBe(403)
    expect(await statusOf('POST', push, bearer(token))).toBe(403)
    expect(await statusOf('GET', '/v2/x/tags/list', bearer(token))).toBe(403)
  })

  test('a token serves as the password of any user, as container tools send it', async () => {
    const basic = (password: string) => `Basic ${Buffer.from(`anyone:${password}`).toString('base64')}`
    expect(await statusOf('GET', '/v2/', basic(server.adminToken))).toBe(200)
    expect(await statusOf('GET', '/v1/nodes', basic(server.adminToken))).toBe(200)
    expect(await statusOf('GET', '/v2/', basic(`${server.adminToken}x`))).toBe(401)
  })

  test('a node’s credential is good for one request, once', async () => {
    const node = await server.enrol('once')
    const path = '/v1/agent/assignment?epoch=0&number=0'
    const credential = await node.credential('GET', path)
    expect(await statusOf('GET', `${path}&waitSeconds=0`, credential)).toBe(401)
    expect(await statusOf('PUT', '/v1/agent/status', credential, '{}')).toBe(401)
    expect(await statusOf('GET', path, credential)).toBe(204)
    expect(await statusOf('GET', path, credential)).toBe(401)
  })

  test('no answer and no log row holds a token', async () => {
    const token = await enrolmentToken('silent')
    const rows = JSON.stringify(await server.client.log(0, 1_000))
    expect(rows).toContain('token.create')
    expect(rows).not.toContain(token.slice(-20))
    expect(rows).not.toContain(server.adminToken.slice(-20))
  })
})

describe('tokens', () => {
  test('an enrolment token enrols its node once', async () => {
    const token = await enrolmentToken('one-time')
    const client = server.clientWith(bearer(token))
    const [first, second] = [createNodeKey(), createNodeKey()]
    const answers = await Promise.all([
      codeOf(client.enrol(first.publicKey)),
      codeOf(client.enrol(second.publicKey)),
    ])
    expect(answers.toSorted()).toEqual(['no error', 'token-spent'])
    expect(await codeOf(client.enrol(createNodeKey().publicKey))).toBe('token-spent')
    const node = await server.client.get('Node', 'one-time')
    expect([first.publicKey, second.publicKey]).toContain(node.spec.publicKey)
  })

  test('a key that is none does not use the token up', async () => {
    const client = server.clientWith(bearer(await enrolmentToken('patient')))
    expect(await codeOf(client.enrol('no key'))).toBe('node-key-unusable')
    expect(await codeOf(client.enrol(createNodeKey().publicKey))).toBe('no error')
  })

  test('a second token gives a node a new key, and the old one is nobody’s', async () => {
    const before = await server.enrol('again', { site: 'x' })
    const after = await server.enrol('again', { site: 'y' })
    expect(await codeOf(before.report())).toBe('credential-signature')
    expect(await codeOf(after.report())).toBe('no error')
    expect((await server.client.get('Node', 'again')).metadata.labels).toEqual({ site: 'y' })
    const actions = (await server.client.log(0, 1_000)).filter((row) => row.subject === 'Node/again')
    expect(actions.map((row) => row.action).slice(0, 2)).toEqual(['node.enrol', 'node.enrol-again'])
  })

  test('an operator’s token works as the admin’s, and the log names whose it is', async () => {
    const { token } = await server.client.createToken({ is: 'operator', name: 'eve' })
    await server.clientWith(bearer(token)).apply(fleet('eves'))
    const rows = await server.client.log(0, 1_000)
    expect(rows.find((row) => row.subject === 'Fleet/eves')?.actor).toBe('operator:eve')
  })
})

describe('resources', () => {
  test('a write with a version is compared, and the answer names the current one', async () => {
    const first = await server.client.apply(fleet('cas'))
    const second = await server.client.apply({
      ...first,
      metadata: { ...first.metadata, labels: { a: 'b' } },
    })
    expect(await codeOf(server.client.apply(first))).toBe('conflict')
    const message = await server.client.apply(first).catch((error: ApiError) => error.message)
    expect(message).toContain(String(second.metadata.version))
    const { version: _version, ...unversioned } = first.metadata
    expect(await codeOf(server.client.apply({ ...first, metadata: unversioned }))).toBe('no error')
  })

  test('applying what is there changes nothing', async () => {
    const first = await server.client.apply(fleet('same'))
    const second = await server.client.apply(fleet('same'))
    expect(second.metadata.version).toBe(first.metadata.version)
  })

  test('of writers that read the same version, one wins', async () => {
    const read = await server.client.apply(fleet('race'))
    const writes = ['a', 'b', 'c', 'd'].map((label) =>
      codeOf(server.client.apply({ ...read, metadata: { ...read.metadata, labels: { label } } })),
    )
    expect((await Promise.all(writes)).toSorted()).toEqual(['conflict', 'conflict', 'conflict', 'no error'])
  })

  test('a fleet’s status is the director’s, a node’s labels are the operator’s, its key is neither’s', async () => {
    const release = digestFromHex('ab'.repeat(32))
    const applied = await server.client.apply({ ...fleet('status'), status: { release } })
    expect(applied.status).toEqual({})
    await server.enrol('labelled')
    const node = await server.client.get('Node', 'labelled')
    const { publicKey } = createNodeKey()
    const changed = await server.client.apply({
      ...node,
      metadata: { ...node.metadata, labels: { site: 'b' } },
      spec: { publicKey },
    })
    expect(changed.metadata.labels).toEqual({ site: 'b' })
    expect(changed.spec.publicKey).toBe(node.spec.publicKey)
  })

  test('what is removed is gone, and a node that is removed may not come back', async () => {
    await server.client.apply(fleet('gone'))
    await server.client.remove('Fleet', 'gone')
    expect(await codeOf(server.client.get('Fleet', 'gone'))).toBe('resource-unknown')
    expect(await codeOf(server.client.remove('Fleet', 'gone'))).toBe('resource-unknown')
    const node = await server.enrol('leaver')
    await server.client.remove('Node', 'leaver')
    expect(await codeOf(node.report())).toBe('credential-unknown-node')
  })

  test('a watcher sees each change, and its end', async () => {
    const read = await server.client.apply(fleet('watched'))
    const labels: string[] = []
    const watching = (async () => {
      for await (const { metadata } of server.client.watch('Fleet', 'watched')) {
        labels.push(metadata.labels.step ?? 'none')
        if (labels.length === 1)
          void server.client.apply({ ...read, metadata: { ...read.metadata, labels: { step: 'two' } } })
        else void server.client.remove('Fleet', 'watched')
      }
    })()
    expect(await codeOf(watching)).toBe('resource-unknown')
    expect(labels).toEqual(['none', 'two'])
  })

  test.each([
    ['PUT', '/v1/fleets/a', '{"kind":"Fleet"}', 400, 'a fleet without its fields'],
    ['PUT', '/v1/fleets/b', JSON.stringify(fleet('a')), 400, 'another name than the address says'],
    [
      'PUT',
      `/v1/fleets/${'a'.repeat(60)}`,
      JSON.stringify(fleet('a'.repeat(60))),
      400,
      'a name too long for its rollouts',
    ],
    ['PUT', '/v1/fleets/a', '{', 400, 'no JSON'],
    ['PUT', '/v1/fleets/a', JSON.stringify({ pad: 'x'.repeat(1_100_000) }), 413, 'a body that is too large'],
    ['PUT', '/v1/releases/a', '{}', 404, 'a release, which only a push makes'],
    [
      'PUT',
      '/v1/nodes/nobody',
      JSON.stringify({ kind: 'Node', metadata: { name: 'nobody' } }),
      404,
      'a node that never enrolled',
    ],
    ['POST', '/v1/tokens', '{"is":"admin"}', 400, 'a token of a kind that is not given out'],
    ['POST', '/v1/rollouts', '{"fleet":"nowhere","release":"latest"}', 404, 'a rollout of no fleet'],
    ['GET', '/v1/fleets/a?waitSeconds=x', undefined, 400, 'a wait that is no number'],
    ['GET', '/v1/fleets/%zz', undefined, 400, 'an address that cannot be decoded'],
    ['GET', '/v1/no-such-thing', undefined, 404, 'an address that is none'],
    ['GET', '/v1/agent/assignment', undefined, 403, 'what only a node may ask'],
    ['POST', '/v1/enrol', '{}', 403, 'what only a machine that enrols may ask'],
    ['GET', '/v1/nodes/nobody', undefined, 404, 'a node that is not there'],
    ['POST', '/v1/rollouts/x-1/halt', '{}', 404, 'the halt of no rollout'],
    ['POST', '/v1/rollouts', '{"fleet":"nowhere"}', 404, 'a rollout without a release'],
    ['POST', '/v1/tokens', 'x', 400, 'a body that is no JSON'],
  ])('%s %s is refused: %#', async (method, path, body, status, why) => {
    const response = await send(method, path, admin(), body)
    const text = Buffer.concat(await Array.fromAsync(response.body)).toString()
    expect(response.status, `${why}: ${text}`).toBe(status)
    const said = expect.stringMatching(/\S{2}/)
    expect(JSON.parse(text)).toMatchObject({ error: { code: said, message: said, hint: said } })
  })
})

describe('reports', () => {
  test('a report is kept, and the same one again changes nothing', async () => {
    const node = await server.enrol('reporter')
    await node.report()
    const first = await server.client.get('Node', 'reporter')
    await node.report()
    const second = await server.client.get('Node', 'reporter')
    expect(first.status.observed).toEqual(statusRunning(node.running))
    expect(second.metadata.version).toBe(first.metadata.version)
    expect(second.status.lastSeenAt).toBeGreaterThanOrEqual(first.status.reportedAt ?? Number.MAX_VALUE)
  })

  test.each([
    ['a report that is not one is refused', { floor: 'none' }, 400],
    ['what only a newer agent reports is passed over', { extra: true }, 204],
  ])('%s', async (_, more, status) => {
    const node = await server.enrol('babbler')
    const body = JSON.stringify({ ...statusRunning(node.running), ...more })
    const credential = await node.credential('PUT', '/v1/agent/status')
    expect(await statusOf('PUT', '/v1/agent/status', credential, body)).toBe(status)
    expect((await server.client.get('Node', 'babbler')).status.observed ?? {}).not.toHaveProperty('extra')
  })
})

describe('life', () => {
  test('what was written is there after a restart, and the token is the same', async () => {
    const other = await testServer()
    const { metadata } = await other.client.apply(fleet('kept'))
    const node = await other.enrol('kept')
    await other.restart()
    expect((await other.client.get('Fleet', 'kept')).metadata).toEqual(metadata)
    expect(await codeOf(node.report())).toBe('no error')
    await other.close()
  })

  test('ending the server ends the requests that wait', async () => {
    const other = await testServer()
    const node = await other.enrol('waiter')
    const waiting = node.next(60)
    while ((await other.client.get('Node', 'waiter')).status.lastSeenAt === undefined);
    const began = realSys.clock.monotonicMs()
    await other.close()
    expect(await waiting).toBeUndefined()
    expect(realSys.clock.monotonicMs() - began).toBeLessThan(5_000)
    expect(await codeOf(other.client.list('Node'))).toBe('server-unreachable')
  })
})
