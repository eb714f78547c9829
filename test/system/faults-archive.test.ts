import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BuildError } from '../../src/build/index.ts'
import { type DebianArchive, debianArchive } from '../../src/testing/index.ts'
import { runCommand } from './faults/command.ts'
import { defineContainer, lockIn, smallPackages } from './faults/lock-fixture.ts'

/** What apt reads a file from, with the bytes that it should send. */
type Answer = (request: IncomingMessage, response: ServerResponse, whole: Buffer) => void

let root: string
let archive: DebianArchive
let folder: string
let notes: string[]

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-faults-archive-'))
  archive = await debianArchive(join(root, 'archive'), smallPackages)
  // The host's time limits are kept by a lock; here they are those of somebody in a hurry, and all else is as by default.
  writeFileSync(join(root, 'apt.conf'), 'Dir::Etc::parts "/nonexistent"; Acquire::http::Timeout "1";\n')
})
afterAll(async () => {
  await archive.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'))
  notes = []
  archive.intercept = undefined
  process.env.APT_CONFIG = join(root, 'apt.conf')
})
afterEach(() => {
  delete process.env.APT_CONFIG
  delete process.env.http_proxy
  expect(leftovers()).toEqual([])
})

/** Programs that fetch for a lock of this test and still run. */
function leftovers(): string[] {
  const listed = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return listed.filter((line) => line.includes(root) && /apt/.test(line))
}

const lock = (mirrors = archive.mirrors, keyring = archive.keyring) =>
  lockIn(folder, defineContainer(join(folder, 'definition'), mirrors, ['hello']), keyring, {
    note: (text) => notes.push(text),
  })

const stored = () =>
  existsSync(join(folder, 'store')) ? readdirSync(join(folder, 'store/blobs/sha256')) : []

async function errorOf(work: Promise<unknown>): Promise<BuildError> {
  const error = await work.then(
    () => new Error('it went well'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof BuildError)) throw error
  return error
}

/** Answers requests whose path matches, `times` times; what comes after is served as ever. */
function meddle(path: RegExp, answer: Answer, times = Number.POSITIVE_INFINITY): void {
  let left = times
  archive.intercept = (request, response) => {
    const url = request.url ?? ''
    if (!path.test(url) || left === 0) return false
    left--
    answer(request, response, readFileSync(join(archive.folder, url)))
    return true
  }
}

const dated = { 'last-modified': 'Fri, 20 Nov 2026 02:11:10 GMT', 'accept-ranges': 'bytes' }
const cut: Answer = (_, response, whole) => {
  response.writeHead(200, { ...dated, 'content-length': whole.length })
  response.write(whole.subarray(0, 300), () => response.destroy())
}
const stall: Answer = (_, response, whole) => {
  response.writeHead(200, { ...dated, 'content-length': whole.length })
  response.write(whole.subarray(0, 300))
}
const send =
  (change: (whole: Buffer) => Buffer): Answer =>
  (_, response, whole) =>
    void response.end(change(whole))
const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end()
const bent = send((whole) => Buffer.from(whole).fill(7, 70, 72))
const half = send((whole) => whole.subarray(0, whole.length >> 1))
const long = send((whole) => Buffer.concat([whole, whole]))

const deb = /\/hello_1\.0_all\.deb$/
const index = /bookworm\/main\/.*\/Packages$/

describe('a mirror that recovers is asked again, and the lock comes about', () => {
  test.each<[string, RegExp, Answer]>([
    ['a package whose connection is cut', deb, cut],
    ['a package that stalls', deb, stall],
    ['a package with other bytes', deb, bent],
    ['half a package', deb, half],
    ['a package that is missing for a moment', deb, status(404)],
    ['a fault of the server', deb, status(503)],
    ['an index whose connection is cut', index, cut],
    ['an index that is not the signed one', index, bent],
    ['an index that is missing in the middle of an update', index, status(404)],
    ['a busy server', /InRelease$/, status(503)],
  ])('%s', async (_, path, answer) => {
    meddle(path, answer, 1)
    const { lock: made } = await lock()
    expect(stored().length).toBe(made.packages.length)
    expect(notes.length).toBeGreaterThan(0)
    expect(readdirSync(join(folder, 'state/downloads'))).toEqual([])
  })

  test('a package goes on where its connection was cut', async () => {
    const ranges: (string | undefined)[] = []
    archive.intercept = (request, response) => {
      if (!deb.test(request.url ?? '')) return false
      const whole = readFileSync(join(archive.folder, request.url ?? ''))
      ranges.push(request.headers.range)
      if (request.headers.range === undefined) cut(request, response, whole)
      else {
        const from = Number(/\d+/.exec(request.headers.range)?.[0])
        const headers = { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` }
        response.writeHead(206, { ...dated, ...headers }).end(whole.subarray(from))
      }
      return true
    }
    await lock()
    expect(ranges).toEqual([undefined, 'bytes=300-'])
  })

  test('a redirect is followed', async () => {
    meddle(
      /\/debian\/.*(?:Packages|\.deb)$/,
      (request, response) => void response.writeHead(302, { location: `/./${request.url}` }).end(),
      2,
    )
    await lock()
    expect(notes).toEqual([])
  })
})

describe('a mirror that does not recover gives a clear error, and the earlier lock stays', () => {
  test.each<[string, RegExp, Answer, string, RegExp]>([
    ['cuts a package', deb, cut, 'archive-unreachable', /cut the connection/],
    ['stalls', deb, stall, 'archive-unreachable', /went silent/],
    ['sends a package with other bytes', deb, bent, 'hash-mismatch', /hello 1\.0/],
    ['sends half a package', deb, half, 'hash-mismatch', /hello 1\.0/],
    ['sends more than a package', deb, long, 'hash-mismatch', /hello 1\.0/],
    ['lost a package', deb, status(404), 'archive-incomplete', /404/],
    ['has a fault', deb, status(500), 'archive-unreachable', /fault of its own.*500/],
    ['refuses', /InRelease$/, status(403), 'archive-unreachable', /refuses.*403/],
    ['sends an index that is not the signed one', index, bent, 'archive-invalid', /other bytes.*Hash/],
    ['sends half an index', index, half, 'archive-invalid', /other bytes.*size/],
    ['lacks an index', index, status(404), 'archive-incomplete', /404/],
    ['cuts an index', /InRelease$/, cut, 'archive-unreachable', /cut the connection/],
    ['sends a login page', /InRelease$/, send(() => Buffer.from('<html>')), 'archive-invalid', /login page/],
    [
      'redirects in a circle',
      deb,
      (request, response) => void response.writeHead(302, { location: request.url }).end(),
      'archive-unreachable',
      /redirect/i,
    ],
  ])('one that %s', async (_, path, answer, code, says) => {
    defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
    writeFileSync(join(folder, 'definition/ashlar.lock'), 'an earlier lock')
    meddle(path, answer)
    const error = await errorOf(lock())
    expect(error).toMatchObject({ code, message: expect.stringMatching(says), hint: expect.anything() })
    expect(error.where).toMatch(/\/debian|^pool\//)
    expect(readFileSync(join(folder, 'definition/ashlar.lock'), 'utf8')).toBe('an earlier lock')
    expect(readdirSync(join(folder, 'store/incoming'))).toEqual([])
    archive.intercept = undefined
    const { lock: made } = await lock()
    expect(stored().length).toBe(made.packages.length)
    expect(readdirSync(join(folder, 'state/downloads'))).toEqual([])
  })

  test.each([
    ['nothing listens', 'http://127.0.0.1:1/debian', /nothing answers.*127\.0\.0\.1:1/],
    ['the name does not exist', 'http://mirror.invalid/debian', /cannot be resolved.*mirror\.invalid/],
  ])('one where %s', async (_, address, says) => {
    const error = await errorOf(lock({ debian: address, 'debian-security': address }))
    expect(error).toMatchObject({ code: 'archive-unreachable', message: expect.stringMatching(says) })
    expect(error.where).toContain(address)
  })

  test('one that does not speak TLS', async () => {
    const address = archive.mirrors.debian.replace('http:', 'https:')
    const error = await errorOf(lock({ debian: address, 'debian-security': address }))
    expect(error).toMatchObject({ code: 'archive-unreachable', message: expect.stringMatching(/no TLS/) })
  })

  test('one behind a proxy that is down', async () => {
    process.env.http_proxy = 'http://127.0.0.1:2'
    const error = await errorOf(lock())
    expect(error).toMatchObject({ code: 'archive-unreachable', hint: expect.stringMatching(/http_proxy/) })
    expect(error.message).toContain('127.0.0.1:2')
  })

  test('one behind a proxy that refuses', async () => {
    const proxy = createServer((_, response) => void response.writeHead(407).end())
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const error = await errorOf(lock()).finally(() => proxy.close())
    expect(error).toMatchObject({ code: 'archive-unreachable', message: expect.stringMatching(/proxy.*407/) })
  })
})

test('locks of one folder at once all come about', async () => {
  const definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
  const options = { data: join(folder, 'data'), keyring: archive.keyring }
  const ended = await Promise.all([1, 2, 3, 4].map(() => runCommand(['lock', definition], options)))
  expect(
    ended.map(({ exitCode }) => exitCode),
    ended.map(({ stderr }) => stderr).join('\n'),
  ).toEqual([0, 0, 0, 0])
  expect(readdirSync(definition).toSorted()).toEqual(['ashlar.lock', 'ashlar.yaml'])
})
