import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Digest } from '../../src/core/index.ts'
import { machinePaths } from '../../src/machines/index.ts'
import { openContentStore } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { randomOf } from './killable-server.ts'
import { makeRelease, newKey } from './machines/small-release.ts'

/** Moments at which each command is killed, spread over the time that it takes when it is not; other ones in each run. */
const moments = Number(process.env.ASHLAR_KILLS ?? 3)
const seed = Number(process.env.ASHLAR_SEED ?? Date.now() % 1_000)
const root = resolve(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'ashlar-machine-kill-'))
const data = join(work, 'data')
const folder = join(data, 'machines')
const environment = { ...process.env, ASHLAR_DATA: data, ASHLAR_PROGRESS: 'off', NO_COLOR: '1' }
let release: Digest

beforeAll(async () => {
  execFileSync(join(root, 'script/bundle'))
  const key = newKey()
  const trust = { release: key, director: key }
  const repository = (await openContentStore(realSys, join(data, 'store'))).repository('small')
  release = await makeRelease(repository, { version: '1.0.0', health: [], signers: [key], trust })
  const role = { threshold: 1, keys: [key.publicKey] }
  const document = { apiVersion: 'ashlar/v1', kind: 'TrustRoot', version: 1, release: role, director: role }
  writeFileSync(join(work, 'trust.json'), JSON.stringify(document))
})
afterEach(async () => {
  for (const name of ['kill-1', 'kill-2']) await ashlar('machine', 'rm', name, '--yes')
  expect(traces()).toEqual([])
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

const create = (name: string) =>
  [
    'machine',
    'create',
    name,
    '--release',
    `small@${release}`,
    '--trust',
    join(work, 'trust.json'),
    '--standalone',
  ] as const

function begin(...words: readonly string[]): {
  child: ChildProcess
  ended: Promise<{ code: number | null; text: string }>
} {
  const child = spawn(join(root, 'bin/ashlar'), words, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += chunk))
  return { child, ended: new Promise((done) => child.once('exit', (code) => done({ code, text }))) }
}

async function ashlar(...words: readonly string[]): Promise<{ code: number | null; text: string }> {
  return begin(...words).ended
}

async function well(...words: readonly string[]): Promise<string> {
  const { code, text } = await ashlar(...words)
  expect(code, `${words.join(' ')}: ${text}`).toBe(0)
  return text
}

/** How long a command takes, all of it. */
async function timeOf(...words: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  await well(...words)
  return performance.now() - startedMs
}

/** Runs a command and kills it after some time, if it has not ended. */
async function killed(afterMs: number, signal: NodeJS.Signals, ...words: readonly string[]): Promise<void> {
  const { child, ended } = begin(...words)
  await Promise.race([ended, once(AbortSignal.timeout(Math.round(afterMs)), 'abort')])
  child.kill(signal)
  await ended
}

/** What of machines is on this host: mounts, loop devices, links, processes, and folders. */
function traces(): string[] {
  const found: string[] = []
  const seek = (what: string, lines: readonly string[], mark: string) =>
    found.push(...lines.filter((line) => line.includes(mark)).map((line) => `${what}: ${line}`))
  seek('mount', readFileSync('/proc/self/mountinfo', 'utf8').split('\n'), work)
  seek('loop', execFileSync('losetup', ['--all'], { encoding: 'utf8' }).split('\n'), work)
  seek('link', readdirSync('/sys/class/net'), 'ash-')
  seek('bridge', readdirSync('/sys/class/net'), 'ashlar0')
  seek('process', processes(), folder)
  seek(
    'folder',
    (() => {
      try {
        return readdirSync(folder).map((name) => join(folder, name))
      } catch {
        return []
      }
    })(),
    folder,
  )
  return found
}

/** Command lines of all processes; one that has ended meanwhile has none. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch (error) {
        return String((error as NodeJS.ErrnoException).code)
      }
    })
}

const random = randomOf(seed)
/** One moment in each of equal parts of the time. */
const at = (takesMs: number) =>
  Array.from({ length: moments }, (_, part) => (takesMs * (part + random(1_000) / 1_000)) / moments)

test('machine create, killed at any moment: the next command clears up, and the same name can be made', async () => {
  const takesMs = await timeOf(...create('kill-1'))
  await well('machine', 'rm', 'kill-1', '--yes')
  for (const afterMs of at(takesMs)) {
    await killed(afterMs, 'SIGKILL', ...create('kill-1'))
    // Another machine: what the first left goes all the same, unless it was whole.
    await well(...create('kill-2'))
    const left = readdirSync(folder).filter((name) => name !== 'kill-2')
    for (const name of left) expect(readdirSync(join(folder, name))).toContain('machine.json')
    await well('machine', 'rm', 'kill-2', '--yes')
    await well('machine', 'rm', 'kill-1', '--yes')
  }
})

test('machine create, interrupted: says so, and leaves nothing', async () => {
  const { child, ended } = begin(...create('kill-1'))
  await vi.waitUntil(() => readdirSync(data).includes('machines') && readdirSync(folder).length > 0, {
    timeout: 20_000,
    interval: 1,
  })
  child.kill('SIGINT')
  const { code, text } = await ended
  expect([code, text]).toEqual([130, expect.stringContaining('interrupted')])
  expect(readdirSync(folder)).toEqual([])
})

test('machine start, interrupted: says so, and nothing of it runs', async () => {
  await well(...create('kill-1'))
  const { child, ended } = begin('machine', 'start', 'kill-1')
  const state = () => readdirSync(join(folder, 'kill-1')).includes('launcher.log')
  await vi.waitUntil(state, { timeout: 20_000, interval: 1 })
  child.kill('SIGINT')
  const { code, text } = await ended
  expect([code, text]).toEqual([130, expect.stringContaining('interrupted')])
  await vi.waitFor(() => expect(processes().filter((line) => line.includes(folder))).toEqual([]), 10_000)
  await well('machine', 'rm', 'kill-1', '--yes')
  await vi.waitFor(() => expect(traces()).toEqual([]), 10_000)
})

test('machine start, killed at any moment: the machine runs or does not, and can be removed without a trace', async () => {
  await well(...create('kill-1'))
  const takesMs = await timeOf('machine', 'start', 'kill-1')
  await well('machine', 'rm', 'kill-1', '--yes')
  for (const afterMs of at(takesMs)) {
    await well(...create('kill-1'))
    await killed(afterMs, 'SIGKILL', 'machine', 'start', 'kill-1')
    // Whoever starts it again must not have two of it.
    const again = await ashlar('machine', 'start', 'kill-1')
    expect([0, 1], again.text).toContain(again.code)
    if (again.code === 1) expect(again.text).toContain('machine-running')
    const launchers = processes().filter(
      (line) =>
        / launcher(?:\.js|\/main\.ts) /.test(` ${line.replaceAll('/', ' /')} `) && line.includes(folder),
    )
    expect(launchers.filter((line) => line.startsWith('unshare')).length).toBeLessThan(2)
    await well('machine', 'rm', 'kill-1', '--yes')
    await vi.waitFor(() => expect(traces()).toEqual([]), 10_000)
  }
})

test('machine rm, killed at any moment: the next command ends what it began', async () => {
  await well(...create('kill-1'))
  await well('machine', 'start', 'kill-1')
  const takesMs = await timeOf('machine', 'rm', 'kill-1', '--yes')
  for (const afterMs of at(takesMs)) {
    await well(...create('kill-1'))
    await well('machine', 'start', 'kill-1')
    await killed(afterMs, 'SIGKILL', 'machine', 'rm', 'kill-1', '--yes')
    // What changes machines ends what was begun, whatever it is asked for itself.
    await ashlar('machine', 'start', 'kill-2')
    await well('machine', 'rm', 'kill-1', '--yes')
    await vi.waitFor(() => expect(traces()).toEqual([]), 10_000)
  }
})

test('a machine whose description cannot be read keeps no other from being used, and can be removed', async () => {
  await well(...create('kill-1'))
  await well('machine', 'start', 'kill-1')
  writeFileSync(machinePaths(folder, 'kill-1').machine, '{"name":')
  expect(await well('machine', 'list')).toMatch(/kill-1 +damaged/)
  const { code, text } = await ashlar('fsck')
  expect([code, text]).toEqual([1, expect.stringContaining('machine-malformed')])
  await well(...create('kill-2'))
  expect(await well('machine', 'list')).toMatch(/kill-2 +off/)
  await well('machine', 'rm', 'kill-1', '--yes')
  await well('machine', 'rm', 'kill-2', '--yes')
  await vi.waitFor(() => expect(traces()).toEqual([]), 10_000)
})
