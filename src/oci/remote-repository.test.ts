import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, mediaType, noProgress, predicateType } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import {
  basic,
  type ReleaseFixture,
  releaseFixture,
  type TestRegistry,
  testRegistry,
} from '../testing/index.ts'
import {
  attachBundle,
  bundlesOf,
  type ContentStore,
  collect,
  copyRelease,
  digestOf,
  openContentStore,
  openRemoteRepository,
  printIndex,
  type Repository,
  readRelease,
  streamOf,
} from './index.ts'

/** Waits take no time, and are counted. */
const waits: number[] = []
const sys = {
  ...realSys,
  clock: { ...realSys.clock, sleep: async (ms: number) => void waits.push(ms) },
}

let folder: string
let local: Repository
let store: ContentStore
let behind: ContentStore
let registry: TestRegistry
let remote: Repository
let fixture: ReleaseFixture

beforeEach(async () => {
  waits.length = 0
  folder = mkdtempSync(join(tmpdir(), 'ashlar-oci-'))
  store = await openContentStore(realSys, join(folder, 'local'))
  behind = await openContentStore(realSys, join(folder, 'behind'))
  local = store.repository('gateway')
  fixture = await releaseFixture(local, { rootBytes: 400_000 })
  registry = await testRegistry(behind)
  remote = open()
})
afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

function open(user: 'reader' | 'writer' = 'writer', name = 'plants/gateway'): Repository {
  return openRemoteRepository(sys, { url: registry.url, name, credential: () => basic(user) })
}
const push = (tag?: string) =>
  copyRelease(local, remote, fixture.digest, {
    referrers: true,
    step: 'copy',
    progress: noProgress,
    ...(tag !== undefined && { tag }),
  })
const rootBlob = async () => {
  const root = (await readRelease(local, fixture.digest)).disk('amd64')?.root
  if (root === undefined) throw new Error('the fixture has a disk')
  return root
}
const missing = `sha256:${'0'.repeat(64)}` as Digest

describe('a release goes to the registry and comes back', () => {
  test('with its tag and its bundle, and is the same', async () => {
    await attachBundle(local, fixture.digest, Buffer.from('{}'), predicateType.signature)
    await push('1.0.0')
    expect(await remote.tags()).toEqual(['1.0.0'])
    expect((await remote.manifest('1.0.0'))?.digest).toBe(fixture.digest)
    expect((await readRelease(remote, fixture.digest)).document).toEqual(fixture.document)
    expect(await bundlesOf(remote, fixture.digest)).toEqual([new Uint8Array(Buffer.from('{}'))])
    const back = (await openContentStore(realSys, join(folder, 'back'))).repository('gateway')
    await copyRelease(remote, back, fixture.digest, { referrers: true, step: 'copy', progress: noProgress })
    expect((await readRelease(back, fixture.digest)).document).toEqual(fixture.document)
    expect(registry.stored.at(-1)).toEqual({
      repository: 'plants/gateway',
      digest: fixture.digest,
      mediaType: mediaType.index,
      actor: 'writer',
      tag: '1.0.0',
    })
  })

  test('a second push sends no blob', async () => {
    await push('1.0.0')
    registry.requests.length = 0
    await push('1.0.0')
    expect(registry.requests.filter((r) => r.startsWith('POST') || r.includes('/uploads/'))).toEqual([])
  })

  test("without the registry's referrers API, bundles are kept in a tag", async () => {
    registry.intercept = (request, response) => {
      const isReferrers = request.url?.includes('/referrers/') ?? false
      const setHeader = response.writeHead.bind(response)
      response.writeHead = ((status: number, headers: Record<string, string>) => {
        delete headers['oci-subject']
        return setHeader(status, headers)
      }) as typeof response.writeHead
      if (isReferrers) response.writeHead(404, {}).end()
      return isReferrers
    }
    await push()
    for (const content of ['{"a":1}', '{"a":2}', '{"a":1}'])
      await attachBundle(remote, fixture.digest, Buffer.from(content), predicateType.signature)
    expect(await remote.tags()).toEqual([fixture.digest.replace(':', '-')])
    expect((await bundlesOf(remote, fixture.digest)).length).toBe(2)
    expect(await remote.referrers(fixture.digest, 'application/x-other')).toEqual([])
  })

  test('lists in pages are read to their end', async () => {
    await push()
    const { bytes } = (await remote.manifest(fixture.digest)) ?? { bytes: new Uint8Array() }
    for (const tag of ['a', 'b', 'c', 'd', 'e']) await remote.putManifest(bytes, mediaType.index, tag)
    registry.intercept = (request) => {
      if (request.url?.endsWith('/tags/list')) request.url += '?n=2'
      return false
    }
    expect(await remote.tags()).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('what is not there', () => {
  test('is undefined, or unknown', async () => {
    expect(await remote.manifest('9.9.9')).toBeUndefined()
    expect(await remote.manifest(missing)).toBeUndefined()
    expect(await remote.blobs.stat(missing)).toBeUndefined()
    expect(await remote.referrers(missing)).toEqual([])
    expect(await remote.tags()).toEqual([])
    await expect(collect(remote.blobs.read(missing), 10)).rejects.toMatchObject({ code: 'blob-unknown' })
  })
})

describe('a download', () => {
  /** Cuts the connection after so many bytes of each answer to a blob's GET, until `times` were cut. */
  const cutting = (afterBytes: number, times: number) => {
    let cuts = 0
    registry.intercept = (request, response) => {
      if (request.method !== 'GET' || !request.url?.includes('/blobs/') || cuts >= times) return false
      cuts++
      let left = afterBytes
      const write = response.write.bind(response)
      response.write = ((chunk: Uint8Array, ...rest: []) => {
        if (chunk.length < left) {
          left -= chunk.length
          return write(chunk, ...rest)
        }
        write(chunk.subarray(0, left), () => response.destroy())
        return true
      }) as typeof response.write
      return false
    }
  }

  test('that is cut goes on where it stopped', async () => {
    await push()
    const root = await rootBlob()
    registry.requests.length = 0
    cutting(100_000, 3)
    const bytes = await collect(remote.blobs.read(root.digest), root.size)
    expect(digestOf(bytes)).toBe(root.digest)
    expect(registry.requests.filter((r) => r.startsWith('GET'))).toHaveLength(4)
    expect(waits).toEqual([250, 250, 250])
  })

  test('that is cut goes on also where the registry knows no ranges', async () => {
    await push()
    const root = await rootBlob()
    cutting(100_000, 2)
    const cut = registry.intercept
    registry.intercept = (request, response) => {
      delete request.headers.range
      return cut(request, response)
    }
    expect(digestOf(await collect(remote.blobs.read(root.digest), root.size))).toBe(root.digest)
  })

  test('of a part brings that part, and is refused where the registry knows no ranges', async () => {
    await push()
    const root = await rootBlob()
    const whole = Buffer.from(await collect(local.blobs.read(root.digest), root.size))
    const part = (from: number, to: number) =>
      collect(remote.blobs.readFrom(root.digest, from, to), to - from)
    for (const [from, to] of [
      [0, 10],
      [1_000, 70_000],
      [root.size - 9, root.size],
    ] as const)
      expect(Buffer.from(await part(from, to)).equals(whole.subarray(from, to))).toBe(true)
    cutting(30_000, 2)
    expect(Buffer.from(await part(500, 100_000)).equals(whole.subarray(500, 100_000))).toBe(true)
    registry.intercept = (request) => {
      delete request.headers.range
      return false
    }
    await expect(part(1_000, 70_000)).rejects.toMatchObject({ code: 'ranges-unsupported' })
  })

  test('that brings nothing is given up, after waiting longer and longer', async () => {
    await push()
    cutting(0, 1_000)
    const read = collect(remote.blobs.read((await rootBlob()).digest), 10_000_000)
    await expect(read).rejects.toMatchObject({ code: 'registry-unreachable' })
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  })

  test('begins where the caller wants', async () => {
    await push()
    const root = await rootBlob()
    const whole = Buffer.from(await collect(local.blobs.read(root.digest), root.size))
    const rest = async (from: number) =>
      Buffer.from(await collect(remote.blobs.readFrom(root.digest, from), root.size))
    expect(await rest(100_000)).toEqual(whole.subarray(100_000))
    expect(await rest(root.size - 1)).toEqual(whole.subarray(-1))
    expect(await rest(root.size)).toHaveLength(0)
    expect(await rest(root.size + 1)).toHaveLength(0)
  })

  test('of a swapped blob does not end well', async () => {
    await push()
    const root = await rootBlob()
    writeFileSync(behind.blobs.path(root.digest), Buffer.alloc(root.size))
    const read = collect(remote.blobs.read(root.digest), root.size)
    await expect(read).rejects.toMatchObject({ code: 'digest-mismatch' })
    expect(waits).toEqual([])
  })

  test.each([
    ['of a swapped blob from a registry that lies is refused', (size: number) => Buffer.alloc(size, 1)],
    ['of a truncated blob from a registry that lies is refused', (size: number) => Buffer.alloc(size - 1)],
  ])('%s', async (_, content) => {
    await push()
    const root = await rootBlob()
    registry.intercept = (request, response) => {
      const taken = request.url?.includes('/blobs/') ?? false
      if (taken) response.end(content(root.size))
      return taken
    }
    const read = collect(remote.blobs.read(root.digest), root.size)
    await expect(read).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  test('of a manifest that is another one is refused', async () => {
    await push()
    registry.intercept = (request, response) => {
      const taken = request.url?.includes('/manifests/') ?? false
      if (taken) response.end(printIndex({ schemaVersion: 2, mediaType: mediaType.index, manifests: [] }))
      return taken
    }
    await expect(remote.manifest(fixture.digest)).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  test('of a manifest without end is refused', async () => {
    registry.intercept = (_, response) => {
      response.end(Buffer.alloc(5_000_000, 32))
      return true
    }
    await expect(remote.manifest('1.0.0')).rejects.toMatchObject({ code: 'content-too-large' })
  })

  test('follows a redirect, and does not take the credential to another host', async () => {
    await push()
    const root = await rootBlob()
    const seen: (string | undefined)[] = []
    const storage = await realSys.net.listen({ host: '127.0.0.1', port: 0 }, (request, response) => {
      seen.push(request.headers.authorization)
      local.blobs.stat(root.digest).then(async () => {
        response.end(await collect(local.blobs.read(root.digest), root.size))
      })
    })
    registry.intercept = (request, response) => {
      const taken = request.method === 'GET' && (request.url?.includes('/blobs/') ?? false)
      if (taken) response.writeHead(307, { location: `http://127.0.0.1:${storage.port}/x` }).end()
      return taken
    }
    expect(digestOf(await collect(remote.blobs.read(root.digest), root.size))).toBe(root.digest)
    expect(seen).toEqual([undefined])
    await storage.close(0)
  })
})

describe.each(['http://[', 'ftp://127.0.0.1/x', 'data:,x'])(
  'a registry that sends its client on to %s',
  (location) => {
    const sent = (status: number, headers: Record<string, string>) => {
      registry.intercept = (_, response) => {
        response.writeHead(status, headers).end('{"tags":[]}')
        return true
      }
    }

    test.each([
      ['for a manifest', () => sent(307, { location }), () => remote.manifest('1.0.0')],
      ['for the next page', () => sent(200, { link: `<${location}>; rel="next"` }), () => remote.tags()],
      [
        'for an upload',
        () => {
          registry.intercept = (request, response) => {
            response.writeHead(request.method === 'HEAD' ? 404 : 202, { location }).end()
            return true
          }
        },
        () => remote.blobs.write(digestOf('x'), 1, streamOf(Buffer.from('x'))),
      ],
    ])('%s has failed', async (_, send, ask) => {
      send()
      await expect(ask()).rejects.toMatchObject({ code: 'registry-failed' })
    })
  },
)

describe('errors say what it is', () => {
  test('nobody listens', async () => {
    const nowhere = openRemoteRepository(sys, { url: 'http://127.0.0.1:1', name: 'x' })
    await expect(nowhere.manifest('1.0.0')).rejects.toMatchObject({
      code: 'registry-unreachable',
      where: '127.0.0.1:1',
      hint: expect.any(String),
    })
  })

  test('no credential, and not the right', async () => {
    const anonymous = openRemoteRepository(sys, { url: registry.url, name: 'x' })
    await expect(anonymous.manifest('1.0.0')).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(open('reader', 'secret').manifest('1.0.0')).rejects.toMatchObject({ code: 'denied' })
    const write = open('reader').blobs.write(digestOf('x'), 1, streamOf(Buffer.from('x')))
    await expect(write).rejects.toMatchObject({ code: 'denied' })
  })

  test('a tag that names something else', async () => {
    await push('1.0.0')
    const other = printIndex({ schemaVersion: 2, mediaType: mediaType.index, manifests: [] })
    await expect(remote.putManifest(other, mediaType.index, '1.0.0')).rejects.toMatchObject({
      code: 'tag-immutable',
    })
  })

  test('a local blob that turns out to be another while it is sent', async () => {
    const write = remote.blobs.write(digestOf('x'), 1, streamOf(Buffer.from('y')))
    await expect(write).rejects.toMatchObject({ code: 'digest-mismatch' })
    expect(await remote.blobs.stat(digestOf('x'))).toBeUndefined()
  })

  test('a registry that fails, and one that talks nonsense', async () => {
    registry.intercept = (_, response) => {
      response.writeHead(503).end('<html>')
      return true
    }
    await expect(remote.manifest('1.0.0')).rejects.toMatchObject({ code: 'registry-unreachable' })
    registry.intercept = (_, response) => {
      response.writeHead(418).end('{"errors":[{"code":"TEAPOT","message":"short\\u001b[2Jand stout"}]}')
      return true
    }
    await expect(remote.manifest('1.0.0')).rejects.toMatchObject({
      code: 'registry-failed',
      message: expect.stringMatching(/418: short \[2Jand stout$/),
    })
    registry.intercept = (_, response) => {
      response.end('[]')
      return true
    }
    await expect(remote.manifest('1.0.0')).rejects.toMatchObject({ code: 'manifest-invalid' })
  })
})
