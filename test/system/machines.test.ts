import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { NodeStatus } from '../../src/api/index.ts'
import type { Digest, HealthCheck } from '../../src/core/index.ts'
import {
  createMachine,
  ensureBridge,
  gatewayOf,
  insideMachine,
  listMachines,
  machinePaths,
  removeMachine,
  startMachine,
  statusOf,
  stopMachine,
} from '../../src/machines/index.ts'
import { leaderOf, startTimeOf } from '../../src/machines/machine-folder.ts'
import { openContentStore, type Repository, readRelease } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { makeRelease, newKey, type SmallRelease } from './machines/small-release.ts'
import { TinyServer } from './machines/tiny-server.ts'

const network = { bridge: 'ashlartest0', prefix: '10.98.0' }
const work = mkdtempSync(join(tmpdir(), 'ashlar-machines-'))
const folder = join(work, 'machines')
const keys = { release: newKey(), director: newKey(), stranger: newKey() }
const web: readonly HealthCheck[] = [
  { name: 'web-unit', unit: 'nginx.service', within: '3s' },
  { name: 'web-answers', http: 'http://localhost/', within: '3s' },
]

let repository: Repository
let server: TinyServer
const releases = new Map<string, Digest>()
const made: string[] = []
let machines = 0

/** A release by its version; each is built once. */
function release(name: string): Digest {
  const digest = releases.get(name)
  if (digest === undefined) throw new Error(`no release ${name}`)
  return digest
}

async function build(name: string, version: string, wanted: Partial<SmallRelease> = {}): Promise<void> {
  const all = { version, health: web, signers: [keys.release], trust: keys, ...wanted }
  releases.set(name, await makeRelease(repository, all))
}

const at = (name: string) => ({ sys: realSys, folder, name })

/** A machine of its own for each test: nothing that was said of another counts for it. */
async function newMachine(first = '1.0.0'): Promise<string> {
  const name = `node-${++machines}`
  await createMachine({
    ...at(name),
    repository,
    release: await readRelease(repository, release(first)),
    architecture: 'amd64',
    network,
    enrolmentToken: server.enrolmentFor(name),
    progress: () => undefined,
  })
  made.push(name)
  await start(name)
  await server.status(name, (status) => status.running.confirmed)
  return name
}

function start(name: string) {
  return startMachine({ ...at(name), node: process.execPath })
}

async function inside(name: string, ...command: string[]): Promise<{ exitCode: number; text: string }> {
  const [program, ...args] = await insideMachine(at(name), command)
  const { exitCode, stdout, stderr } = await realSys.exec.run(program ?? '', args)
  return { exitCode, text: Buffer.from(stdout).toString() + stderr }
}

const runs = (digest: Digest) => (status: NodeStatus) => status.running.release === digest

beforeAll(async () => {
  execFileSync(join(import.meta.dirname, '../../script/bundle'))
  const store = await openContentStore(realSys, join(work, 'store'))
  repository = store.repository('small')
  await build('1.0.0', '1.0.0')
  await build('1.1.0', '1.1.0')
  await build('broken', '1.2.0', { files: { 'etc/nginx/sites-available/default': 'no such directive;\n' } })
  await build('unsigned', '1.3.0', { signers: [] })
  await build('strange', '1.3.1', { signers: [keys.stranger] })
  await build('floor', '2.0.0', { floor: '1.1.0' })
  await build('slow', '2.1.0', {
    health: [{ name: 'told', exec: ['/usr/share/small/told'], within: '60s' }],
    files: { 'usr/share/small/told': '#!/bin/sh\ntest -e /var/told\n' },
  })
  await build('dies', '2.2.0', {
    files: {
      'usr/lib/systemd/system/ashlar-confirm.service.d/die.conf':
        '[Service]\nExecStartPre=/usr/share/small/die-once\n',
      'usr/share/small/die-once': '#!/bin/sh\ntest -e /var/died && exit 0\ntouch /var/died\nkill -9 $$\n',
    },
  })
  await build('fragile', '2.4.0', {
    health: [{ name: 'intact', exec: ['test', '!', '-e', '/var/broken'], within: '1s' }],
  })
  await build('panics', '2.3.0', {
    files: {
      'usr/lib/systemd/system/systemd-tmpfiles-setup.service.d/panic.conf':
        '[Service]\nExecStartPre=/usr/bin/systemctl --force --force reboot\n',
    },
  })
  await ensureBridge(realSys, { bridge: network.bridge, gateway: gatewayOf(network) })
  server = new TinyServer(repository, keys.director, gatewayOf(network))
  await server.start()
})

afterEach(async () => {
  for (const name of made.splice(0)) await removeMachine(at(name))
})

afterAll(async () => {
  await server.stop()
  rmSync(work, { recursive: true, force: true })
})

describe('a machine', () => {
  test('boots from an image that refuses writes, and leaves nothing behind', async () => {
    const name = await newMachine()
    for (const path of ['/usr/x', '/etc/x', '/x', '/usr/lib/ashlar/trust.json'])
      expect((await inside(name, 'touch', path)).text).toMatch(/Read-only file system/)
    expect((await inside(name, 'touch', '/var/x')).exitCode).toBe(0)
    const [listed] = await listMachines({ sys: realSys, folder })
    expect(listed?.running).toBe(true)
    expect(listed?.state?.running?.release).toBe(release('1.0.0'))
    expect((await (await fetch(`http://${listed?.machine.address}/`)).text()).trim()).toBe('small 1.0.0')

    await stopMachine(at(name))
    expect((await statusOf(at(name))).state?.phase).toBe('off')
    await removeMachine(at(name))
    made.length = 0
    expect(existsSync(machinePaths(folder, name).home)).toBe(false)
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(work)
    expect(execFileSync('losetup', ['--all'], { encoding: 'utf8' })).not.toContain(work)
    expect(readdirSync('/sys/class/net')).not.toContain(network.bridge)
    await ensureBridge(realSys, { bridge: network.bridge, gateway: gatewayOf(network) })
  })

  test('whose launcher is killed dies with it, and starts again', async () => {
    const name = await newMachine()
    const { state } = await statusOf(at(name))
    const leader = await leaderOf(realSys, state?.pid ?? 0)
    process.kill(state?.pid ?? 0, 'SIGKILL')
    await expect.poll(async () => (await statusOf(at(name))).running).toBe(false)
    await expect.poll(() => startTimeOf(realSys, leader ?? 0), { timeout: 20_000 }).toBeUndefined()
    await start(name)
    await expect
      .poll(async () => (await statusOf(at(name))).state?.running?.complete, { timeout: 20_000 })
      .toBe(true)
  })
})

describe('an update', () => {
  test('is confirmed; the service is away for about a second', async () => {
    const name = await newMachine()
    const { machine } = await statusOf(at(name))
    const probe = probing(`http://${machine.address}/`)
    const order = server.order(name, release('1.1.0'))
    const { outcome, running, slots } = await server.outcome(name, order)
    const { awaySeconds, seen } = await probe.end()
    expect(outcome).toMatchObject({ is: 'confirmed', release: release('1.1.0') })
    expect(running).toMatchObject({ slot: 'b', confirmed: true, measuredBy: 'launcher' })
    expect(slots).toMatchObject({ a: { is: 'good' }, b: { is: 'good' } })
    expect(seen).toEqual(['small 1.0.0', 'small 1.1.0'])
    const { state } = await statusOf(at(name))
    expect(state?.lastCheck?.before).toBe('outage')
    expect(state?.lastCheck?.seconds).toBeLessThan(0.1)
    process.stdout.write(
      `outage: web ${awaySeconds.toFixed(2)} s; old userland's end to boot complete ${state?.lastOutageSeconds} s\n`,
    )
    expect(awaySeconds).toBeLessThan(8)

    // Back to the older release, which still lies in slot a: nothing is fetched.
    const fetched = server.ranges.length
    const back = await server.outcome(name, server.order(name, release('1.0.0')))
    expect(back.outcome?.is).toBe('confirmed')
    expect(back.running).toMatchObject({ slot: 'a', release: release('1.0.0') })
    expect(server.ranges.slice(fetched).length).toBeLessThan(6)
    // What runs already is confirmed at once.
    const again = await server.outcome(name, server.order(name, release('1.0.0')))
    expect(again.outcome?.is).toBe('confirmed')
    expect(again.bootId).toBe(back.bootId)
  })

  test('whose service does not come up goes back by itself, and says why', async () => {
    const name = await newMachine()
    const { outcome, running, slots } = await server.outcome(name, server.order(name, release('broken')))
    expect(outcome).toMatchObject({
      is: 'went-back',
      reason: { code: 'health-check-failed', check: 'web-unit' },
    })
    expect(outcome?.reason?.lastLines?.join('\n')).toMatch(/no such directive|unknown directive/)
    expect(running).toMatchObject({ slot: 'a', release: release('1.0.0'), confirmed: true })
    expect(slots.b).toMatchObject({ is: 'bad', release: release('broken') })
  })

  test('that never gets as far as its checks uses up its tries', async () => {
    const name = await newMachine()
    const { outcome, running } = await server.outcome(name, server.order(name, release('panics')))
    expect(outcome).toMatchObject({ is: 'went-back', reason: { code: 'boot-tries-used-up' } })
    expect(running.release).toBe(release('1.0.0'))
    expect((await statusOf(at(name))).state?.boots).toBe(5)
  })

  test('raises the floor, and what is below it is taken away and refused', async () => {
    const name = await newMachine()
    const confirmed = await server.outcome(name, server.order(name, release('floor')))
    expect(confirmed.outcome?.is).toBe('confirmed')
    expect(confirmed).toMatchObject({ floor: 1_000_001_000_000, slots: { a: { is: 'empty' } } })
    const { outcome } = await server.outcome(name, server.order(name, release('1.0.0')))
    expect(outcome).toMatchObject({ is: 'refused', reason: { code: 'below-floor' } })
    expect((await server.outcome(name, server.order(name, release('1.1.0')))).outcome?.is).toBe('confirmed')
  })

  test.each([
    ['an unsigned release', 'unsigned', {}, 'signature-missing'],
    ['a release signed by a stranger', 'strange', {}, 'signature-missing'],
    ['an order for another node', '1.1.0', { node: 'somebody-else' }, 'assignment-other-node'],
    ['an order that comes too late', '1.1.0', { beginUntil: 1 }, 'assignment-late'],
    ['an order of an earlier number', '1.1.0', { order: { epoch: 0, number: 0 } }, 'assignment-replayed'],
  ] as const)('%s is refused', async (_, wanted, change, code) => {
    const name = await newMachine()
    const order = server.order(name, release(wanted), change)
    const { outcome, running, slots } = await server.outcome(name, order)
    expect(outcome).toMatchObject({ is: 'refused', reason: { code } })
    expect(running.release).toBe(release('1.0.0'))
    expect(slots.b.is).toBe('empty')
  })

  test('ordered by a key that the running image does not believe is refused', async () => {
    const name = await newMachine()
    const { outcome } = await server.outcome(name, server.order(name, release('1.1.0'), {}, keys.stranger))
    expect(outcome).toMatchObject({ is: 'refused', reason: { code: 'assignment-signature' } })
  })

  test('whose blob was exchanged in the registry is refused', async () => {
    const name = await newMachine()
    const blob = await rootBlob('1.1.0')
    server.exchanged.set(blob.digest, Buffer.alloc(blob.size, 7))
    try {
      const { outcome, slots } = await server.outcome(name, server.order(name, release('1.1.0')))
      expect(outcome).toMatchObject({ is: 'refused', reason: { code: 'blob-digest-mismatch' } })
      expect(slots.b.is).toBe('empty')
    } finally {
      server.exchanged.clear()
    }
  })
})

describe('what breaks in between', () => {
  test('a cut connection: the download goes on with a range', async () => {
    const name = await newMachine()
    server.ranges.length = 0
    server.cutAfterBytes = [5_000_000, 5_000_000]
    const { outcome } = await server.outcome(name, server.order(name, release('1.1.0')))
    expect(outcome?.is).toBe('confirmed')
    expect(server.ranges.filter((range) => range !== 'whole').length).toBeGreaterThanOrEqual(2)
  })

  test('the agent is killed while it downloads, and the machine rebooted: it goes on from there', async () => {
    const name = await newMachine()
    server.ranges.length = 0
    server.stallAfterBytes = [8_000_000, 8_000_000]
    const order = server.order(name, release('1.1.0'))
    await server.stalled()
    await inside(name, 'systemctl', 'kill', '--signal=KILL', 'ashlar-agent.service')
    await server.stalled()
    await stopMachine(at(name))
    await start(name)
    expect((await server.outcome(name, order)).outcome?.is).toBe('confirmed')
    const starts = server.ranges.flatMap((range) => Number(/bytes=(\d+)-/.exec(range)?.[1] ?? Number.NaN))
    const resumed = starts.filter((start) => start > 0)
    expect(resumed.length).toBeGreaterThanOrEqual(2)
    expect(resumed.at(-1)).toBeGreaterThan(resumed[0] ?? 0)
  })

  test('health checks killed on trial are started again', async () => {
    const name = await newMachine()
    const order = server.order(name, release('slow'))
    await server.status(name, runs(release('slow')))
    await expect
      .poll(
        async () => (await inside(name, 'systemctl', 'show', '-P', 'ActiveState', 'ashlar-health')).text,
        { timeout: 30_000 },
      )
      .toBe('activating\n')
    await inside(name, 'systemctl', 'kill', '--signal=KILL', 'ashlar-health.service')
    await inside(name, 'systemctl', 'kill', '--signal=KILL', 'ashlar-agent.service')
    await inside(name, 'touch', '/var/told')
    expect((await server.outcome(name, order)).outcome?.is).toBe('confirmed')
  })

  test('a confirmation that is killed is made again', async () => {
    const name = await newMachine()
    const { outcome, running } = await server.outcome(name, server.order(name, release('dies')))
    expect(outcome?.is).toBe('confirmed')
    expect(running).toMatchObject({ release: release('dies'), confirmed: true })
  })

  test('a confirmed release whose checks fail at an ordinary boot stays, and is reported', async () => {
    const name = await newMachine('fragile')
    await inside(name, 'touch', '/var/broken')
    await stopMachine(at(name))
    await start(name)
    const { warnings, running } = await server.status(name, (status) => status.warnings.length > 0)
    expect(warnings).toMatchObject([{ code: 'health-check-failed', check: 'intact' }])
    expect(running).toMatchObject({ slot: 'a', confirmed: true })
  })

  test('an altered image is noticed before the boot and is not run', async () => {
    const name = await newMachine()
    await server.outcome(name, server.order(name, release('1.1.0')))
    await stopMachine(at(name))
    alter(join(machinePaths(folder, name).disk, 'b/root.erofs'))
    await start(name)
    const { warnings, slots } = await server.status(name, (status) => status.warnings.length > 0)
    expect(warnings[0]?.code).toBe('root-digest-mismatch')
    expect(slots).toMatchObject({
      a: { is: 'good' },
      b: { is: 'bad', why: { code: 'root-digest-mismatch' } },
    })

    alter(join(machinePaths(folder, name).disk, 'a/root.erofs'))
    await stopMachine(at(name))
    await expect(start(name)).rejects.toMatchObject({ code: 'machine-failed' })
  })

  test('a lost /var: identity, order and floor are still there', async () => {
    const name = await newMachine()
    const order = server.order(name, release('floor'))
    await server.outcome(name, order)
    await stopMachine(at(name))
    rmSync(join(machinePaths(folder, name).var, 'lib/ashlar'), { recursive: true })
    await start(name)
    const { outcome } = await server.outcome(name, server.order(name, release('1.0.0')))
    expect(outcome).toMatchObject({ is: 'refused', reason: { code: 'below-floor' } })
    const replay = await server.outcome(name, server.order(name, release('1.1.0'), { order }))
    expect(replay.outcome).toMatchObject({ is: 'refused', reason: { code: 'assignment-replayed' } })
  })
})

async function rootBlob(name: string) {
  const disk = (await readRelease(repository, release(name))).disk('amd64')
  if (disk === undefined) throw new Error('a system has a disk')
  return disk.root
}

/** Changes one byte in the middle of a file. */
function alter(path: string): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.from([0x5a]), 0, 1, Math.floor(statSync(path).size / 2))
}

/** Asks a page again and again: what it said, and how long at most nobody answered. */
function probing(url: string) {
  let asking = true
  let answeredMs = performance.now()
  let awayMs = 0
  const seen: string[] = []
  const asked = (async () => {
    while (asking) {
      const text = await fetch(url, { signal: AbortSignal.timeout(200) })
        .then((answer) => answer.text())
        .catch(() => undefined)
      if (text === undefined) continue
      awayMs = Math.max(awayMs, performance.now() - answeredMs)
      answeredMs = performance.now()
      if (seen.at(-1) !== text.trim()) seen.push(text.trim())
    }
  })()
  return {
    async end() {
      asking = false
      await asked
      return { awaySeconds: awayMs / 1_000, seen }
    },
  }
}
