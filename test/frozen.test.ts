import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NodeMemory, openServerLink } from '../src/agent/index.ts'
import { readBootFacts } from '../src/agent/node-files.ts'
import {
  apiVersionField,
  type Client,
  createClient,
  type NodeStatus,
  parseAssignment,
  type Release,
  type RolloutRequest,
} from '../src/api/index.ts'
import {
  AshlarError,
  canonicalJson,
  type Digest,
  mediaType,
  parseDefinition,
  parseLock,
  parseReleaseDocument,
  parseTrustRoot,
} from '../src/core/index.ts'
import { readDiskFolder, readSeal, slotsOf } from '../src/disk/index.ts'
import { createNodeKey, nodeCredential, publicKeyDigest } from '../src/identity/index.ts'
import { readLauncherState, readMachine } from '../src/machines/machine-folder.ts'
import { digestOf, openRemoteRepository, parseIndex, readReleaseFiles } from '../src/oci/index.ts'
import { realSys, type Sys } from '../src/sys/index.ts'
import { releaseFixture, type TestServer, testServer } from '../src/testing/index.ts'
import { judgeAssignment, judgeRelease } from '../src/verify/index.ts'

/*
 * What an Ashlar of before wrote, byte for byte as it did; a later one must read it, or refuse it as intended. A file in
 * here is never changed. What a new form looks like is added in a folder of its own, beside the old one.
 */
const frozen = join(import.meta.dirname, 'frozen/1')
const text = (path: string) => readFileSync(join(frozen, path), 'utf8')
const bytes = (path: string) => readFileSync(join(frozen, path))
const json = (path: string) => JSON.parse(text(path)) as Record<string, unknown>
/** As a newer Ashlar may write it: with a field that nobody knew. */
const newer = (value: object) => ({ ...value, fromTheFuture: { deep: [1] } })
const codeOf = (read: () => unknown): string | undefined => {
  try {
    read()
    return undefined
  } catch (error) {
    return error instanceof AshlarError ? error.code : String(error)
  }
}

const work = mkdtempSync(join(tmpdir(), 'ashlar-frozen-'))
afterAll(() => rmSync(work, { recursive: true }))

interface Exchange {
  readonly as: 'admin' | 'node' | 'enrolment'
  readonly method: string
  readonly path: string
  readonly request?: Record<string, unknown>
  readonly status: number
  readonly answer?: Record<string, unknown>
}
const exchanges = JSON.parse(text('api/exchanges.json')) as Exchange[]

/** A client whose server gives the recorded answers, one after the other, each changed as a newer server's would be. */
function replaying(
  recorded: Exchange,
  fields: Record<string, string> = {},
  change = (answer: object) => answer,
): Client {
  const net: Sys['net'] = {
    ...realSys.net,
    request: async ({ method, url }) => {
      expect(`${method} ${url.replace('http://server', '')}`).toBe(`${recorded.method} ${recorded.path}`)
      async function* body() {
        if (recorded.answer !== undefined) yield Buffer.from(JSON.stringify(change(recorded.answer)))
      }
      return { status: recorded.status, headers: fields, body: body() }
    },
  }
  return createClient({ net, url: 'http://server', credential: () => 'Bearer x' })
}

/** Makes the call that led to an exchange. */
function call(client: Client, { method, path, request }: Exchange): Promise<unknown> {
  const [, , kind = '', name, more] = new URL(path, 'http://server').pathname.split('/')
  const kinds = { nodes: 'Node', fleets: 'Fleet', releases: 'Release', rollouts: 'Rollout' } as const
  const query = Object.fromEntries(new URL(path, 'http://server').searchParams)
  const numbers = { epoch: Number(query.epoch), number: Number(query.number) }
  if (kind === 'tokens') return client.createToken(request as Parameters<Client['createToken']>[0])
  if (kind === 'enrol') return client.enrol(String(request?.publicKey))
  if (name === 'assignment') return client.nextAssignment(numbers, Number(query.waitSeconds))
  if (name === 'status') return client.reportStatus(request as NodeStatus)
  if (kind === 'log') return client.log(Number(query.after), Number(query.limit))
  if (more === 'why') return client.why(name ?? '')
  if (method === 'POST') return client.startRollout(request as RolloutRequest)
  const known = kinds[kind as keyof typeof kinds]
  if (method === 'DELETE') return client.remove(known, name ?? '')
  if (method === 'PUT') return client.apply(request as Parameters<Client['apply']>[0])
  return name === undefined ? client.list(known) : client.get(known, name)
}

const named = exchanges.map(
  (exchange) => [`${exchange.method} ${exchange.path} → ${exchange.status}`, exchange] as const,
)

describe('answers of a server of before', () => {
  const expected = ({ answer }: Exchange) =>
    answer !== undefined && 'items' in answer ? answer.items : answer

  test.each(named)('%s is understood', async (_, exchange) => {
    if (exchange.status < 400) expect(await call(replaying(exchange), exchange)).toEqual(expected(exchange))
    else {
      const error = exchange.answer?.error
      await expect(call(replaying(exchange), exchange)).rejects.toMatchObject(error ?? {})
    }
  })

  test.each(named)(
    '%s of a newer server is understood, too: what only informs may have more fields',
    async (_, exchange) => {
      const change = (answer: object) => {
        const { items, error } = answer as { items?: object[]; error?: object }
        return newer({
          ...answer,
          ...(items && { items: items.map(newer) }),
          ...(error && { error: newer(error) }),
        })
      }
      const client = replaying(exchange, {}, change)
      if (exchange.status < 400) expect(await call(client, exchange)).toEqual(expected(exchange))
      else
        await expect(call(client, exchange)).rejects.toMatchObject({
          status: exchange.status,
          code: expect.not.stringMatching('answer-malformed'),
        })
    },
  )

  test.each([
    ['of the same version', '1-1', undefined],
    ['that is newer and still understands us', '1-7', undefined],
    ['that is too new', '2-7', 'client-too-old'],
    ['that is too old', '0-0', 'server-too-old'],
    ['that sends no version, as the first did', undefined, undefined],
    ['that sends something else', 'yes', undefined],
  ])('a server %s', async (_, speaks, code) => {
    const exchange = exchanges.find(({ path }) => path === '/v1/nodes')
    if (exchange === undefined) throw new Error('not recorded')
    const client = replaying(exchange, speaks === undefined ? {} : { [apiVersionField]: speaks })
    if (code === undefined) await client.list('Node')
    else await expect(client.list('Node')).rejects.toMatchObject({ code })
  })
})

test('an agent of before takes an order from a newer server, and is told apart from one that is too old', async () => {
  const exchange = exchanges.find(({ path }) => path.startsWith('/v1/agent/assignment'))
  const identity = { node: 'node-1', server: 'http://server', enrolled: true, ...createNodeKey() }
  const answering = (status: number, answer: object) => {
    async function* body() {
      yield Buffer.from(JSON.stringify(answer))
    }
    const request = async () => ({ status, headers: {}, body: body() })
    return openServerLink({ ...realSys, net: { ...realSys.net, request } }, identity)
  }
  const order = { epoch: 0, number: 0 }
  expect(await answering(200, newer(exchange?.answer ?? {})).assignment(order, 0)).toEqual(exchange?.answer)
  const refusal = {
    error: newer({ code: 'client-too-old', message: 'the server no longer understands', hint: 'build anew' }),
  }
  await expect(answering(400, newer(refusal)).assignment(order, 0)).rejects.toMatchObject({
    code: 'server-refused',
    message: expect.stringContaining('client-too-old'),
    hint: 'build anew',
  })
})

describe('requests of a client of before', () => {
  let server: TestServer
  const nodeKey = createNodeKey()
  let enrolment = ''
  /** What is another at each server: epoch, and the digests of these fixtures. */
  const changed = new Map<string, string>()
  const asToday = (exchange: Exchange) => {
    const text = [...changed].reduce((before, pair) => before.replaceAll(...pair), JSON.stringify(exchange))
    return JSON.parse(text) as Exchange
  }
  beforeAll(async () => {
    server = await testServer()
    const credential = () => `Bearer ${server.adminToken}`
    const repository = openRemoteRepository(realSys, { url: server.url, name: 'gateway', credential })
    const first = await releaseFixture(repository, { version: '1.0.0' })
    const second = await releaseFixture(repository, { version: '1.1.0', floor: first.document.counter })
    const listed = exchanges.find(({ path }) => path === '/v1/releases')?.answer?.items as Release[]
    for (const { spec } of listed)
      changed.set(spec.digest, spec.version === '1.0.0' ? first.digest : second.digest)
  })
  afterAll(() => server.close())

  async function send(exchange: Exchange, body: object | undefined, fields: Record<string, string> = {}) {
    const { as, method, path } = exchange
    const credentials = {
      admin: async () => `Bearer ${server.adminToken}`,
      enrolment: async () => `Bearer ${enrolment}`,
      node: async () => {
        const claim = {
          node: 'node-1',
          privateKey: nodeKey.privateKey,
          method,
          path,
          audience: 'ashlar-loopback',
        }
        return `Bearer ${await nodeCredential({ ...claim, now: realSys.clock.now() })}`
      },
    }
    const response = await realSys.net.request({
      ...{ method, url: server.url + path },
      headers: {
        authorization: await credentials[as](),
        ...(body && { 'content-type': 'application/json' }),
        ...fields,
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer = Buffer.concat(await Array.fromAsync(response.body)).toString()
    return {
      status: response.status,
      headers: response.headers,
      answer: answer === '' ? undefined : JSON.parse(answer),
    }
  }

  test('are carried out by a server of today, one after the other, with the same outcome', async () => {
    for (const recorded of exchanges) {
      const exchange = asToday(recorded)
      const request = exchange.as === 'enrolment' ? { publicKey: nodeKey.publicKey } : exchange.request
      const { status, answer } = await send(exchange, request)
      expect(status, `${exchange.method} ${exchange.path}: ${JSON.stringify(answer)}`).toBe(exchange.status)
      if (exchange.request?.is === 'enrolment') enrolment = answer.token
      if (exchange.as === 'enrolment') changed.set(String(recorded.answer?.epoch), String(answer.epoch))
      await server.idle()
    }
  })

  test.each([
    ['from a client that is too old', '0-0', 400, 'client-too-old'],
    ['from a client that is too new', '2-3', 400, 'server-too-old'],
    ['from a newer client that still understands us', '1-3', 200, undefined],
  ])('%s', async (_, speaks, status, code) => {
    const exchange = { as: 'admin', method: 'GET', path: '/v1/nodes', status } as const
    const said = await send(exchange, undefined, { [apiVersionField]: speaks })
    expect([said.status, said.answer.error?.code, said.headers[apiVersionField]]).toEqual([
      status,
      code,
      '1-1',
    ])
  })

  test('a wish that only a newer client has is refused, not passed over', async () => {
    for (const exchange of exchanges.filter(({ as, request }) => as === 'admin' && request !== undefined))
      expect((await send(exchange, newer(exchange.request ?? {}))).answer.error.code).toBe('request-invalid')
  })
})

describe('a release of before', () => {
  const trust = parseTrustRoot(text('release/trust.json'))
  const digest = digestOf(bytes('release/index.json'))
  const envelope = json('release/assignment.json') as unknown as Parameters<
    typeof judgeAssignment
  >[0]['envelope']
  const node = { name: 'node-1', keyDigest: publicKeyDigest(text('release/node-key.pem')) }
  const asked = { envelope, trust, parse: parseAssignment, node, last: undefined, now: 1_700_000_200_000 }

  test('its files lead from the digest to the document', () => {
    const files = {
      index: bytes('release/index.json'),
      manifest: bytes('release/manifest.json'),
      document: bytes('release/document.json.gz'),
    }
    expect(readReleaseFiles(files, digest)).toEqual(parseReleaseDocument(text('release/document.json')))
  })

  test('its signature holds, and so does the order to run it', () => {
    expect(judgeRelease({ release: digest, bundles: [bytes('release/bundle.json')], trust }).is).toBe(
      'verified',
    )
    expect(judgeAssignment(asked)).toMatchObject({ is: 'verified', assignment: { release: digest } })
  })

  test('its definitions and its lock are read', () => {
    expect(parseDefinition(text('release/ashlar.yaml')).is).toBe('definition')
    expect(parseDefinition(text('release/container.yaml')).is).toBe('definition')
    expect(parseLock(text('release/ashlar.lock')).packages).toHaveLength(3)
  })

  test.each([
    [
      'a release document',
      () => parseReleaseDocument(canonicalJson(newer(json('release/document.json')))),
      'release-document-malformed',
    ],
    [
      'an order',
      () =>
        parseAssignment(canonicalJson(newer(JSON.parse(Buffer.from(envelope.payload, 'base64').toString())))),
      'assignment-malformed',
    ],
    ['a trust root', () => parseTrustRoot(JSON.stringify(newer(trust))), 'trust-root-malformed'],
    ['a lock', () => parseLock(JSON.stringify(newer(json('release/ashlar.lock')))), 'lock-version'],
  ])(
    '%s with a field that this Ashlar does not know is refused: it may change what is meant',
    (_, read, code) => {
      expect(codeOf(read)).toBe(code)
    },
  )

  test('a definition with a field that this Ashlar does not know is refused', () => {
    expect(parseDefinition(`${text('release/ashlar.yaml')}  fromTheFuture: 1\n`).is).toBe('findings')
  })

  test('a bundle with a field that this Ashlar does not know counts for nothing', () => {
    const bundles = [Buffer.from(JSON.stringify(newer(json('release/bundle.json'))))]
    expect(judgeRelease({ release: digest, bundles, trust }).is).toBe('refused')
  })

  test('an envelope of another type is no order', () => {
    const other = { ...envelope, payloadType: mediaType.releaseDocument }
    expect(judgeAssignment({ ...asked, envelope: other })).toMatchObject({ is: 'refused' })
  })
})

describe('a node of before', () => {
  const release = digestOf(bytes('release/index.json'))
  const disk = join(work, 'node')
  const state = join(work, 'state')
  const paths = {
    state,
    disk,
    image: '',
    localHooks: '',
    runtime: '',
    credentials: join(work, 'credentials'),
  }
  const memory = new NodeMemory(realSys, paths)
  const order = { epoch: 1_700_000_000, number: 3 }
  const journal = () => json('node/esp/ashlar/state.json')
  const keep = (value: object) => writeFileSync(join(disk, 'esp/ashlar/state.json'), JSON.stringify(value))

  beforeAll(() => {
    cpSync(join(frozen, 'node'), disk, { recursive: true })
    mkdirSync(paths.credentials)
  })

  test('its boot entries and slots are read', async () => {
    const folder = await readDiskFolder(realSys.disk, disk)
    expect(slotsOf(folder)).toMatchObject({
      a: { is: 'good', release },
      b: {
        is: 'bad',
        release,
        why: { code: 'health-check-failed', check: 'web', exitCode: 7, lastLines: ['no'] },
      },
    })
    const files = await readSeal(realSys.disk, disk, 'a')
    expect(files && readReleaseFiles(files, release).version).toBe('1.1.0')
  })

  test('its journal, floor and identity are read', async () => {
    expect(await memory.read()).toEqual(journal())
    expect(await memory.floor()).toBe(1_000_000_000_000)
    expect(JSON.parse((await memory.secret('identity.json')) ?? '')).toMatchObject({
      node: 'node-1',
      enrolled: true,
    })
  })

  test.each([
    ['with more fields is read', newer(journal()), {}],
    [
      'with an outcome of another kind keeps its order',
      { ...journal(), outcome: { is: 'paused' } },
      { outcome: undefined },
    ],
    [
      'with work whose order says more keeps its order, and the work is not taken up',
      {
        ...journal(),
        work: { begun: true, assignment: newer((journal().work as { assignment: object }).assignment) },
      },
      { work: undefined },
    ],
  ])('a journal %s', async (_, written, changed) => {
    keep(written)
    const { work: _work, outcome: _outcome, ...core } = journal()
    expect(await memory.read()).toMatchObject({
      ...core,
      order,
      ...('outcome' in changed || 'work' in changed ? {} : { work: _work }),
    })
    for (const key of Object.keys(changed)) expect(await memory.read()).not.toHaveProperty(key)
    expect(await memory.faults()).toEqual([])
  })

  test.each([
    ['cut short', text('node/esp/ashlar/state.json').slice(0, 100)],
    ['garbage', '\u0000\u0001'],
    ['of no order', '{"revision":1,"seenAt":0}'],
  ])('a journal that is %s, with no other copy, is said to be lost', async (_, written) => {
    writeFileSync(join(disk, 'esp/ashlar/state.json'), written)
    expect(await memory.faults()).toMatchObject([{ code: 'journal-lost' }])
  })

  test('what its launcher says of the boot is read, also with more fields', async () => {
    for (const facts of [json('node/boot-facts.json'), newer(json('node/boot-facts.json'))]) {
      writeFileSync(join(paths.credentials, 'ashlar.boot'), JSON.stringify(facts))
      expect(await readBootFacts(realSys, paths)).toEqual(json('node/boot-facts.json'))
    }
  })

  test('a machine and its launcher’s state are read, also with more fields', async () => {
    for (const change of [(value: object) => value, newer]) {
      mkdirSync(join(work, 'machines/machine'), { recursive: true })
      for (const name of ['machine.json', 'launcher.json'])
        writeFileSync(join(work, 'machines/machine', name), JSON.stringify(change(json(`machine/${name}`))))
      expect(await readMachine(realSys, join(work, 'machines'), 'machine')).toEqual(
        json('machine/machine.json'),
      )
      expect(await readLauncherState(realSys, join(work, 'machines/machine/launcher.json'))).toEqual(
        json('machine/launcher.json'),
      )
    }
  })
})

test('the list of a local repository of before is read', () => {
  const digests: Digest[] = parseIndex(bytes('host/index.json')).manifests.map(({ digest }) => digest)
  expect(digests[0]).toBe(digestOf(bytes('release/index.json')))
})
