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
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Digest, HealthCheck, SlotName } from '../../src/core/index.ts'
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
const health: readonly HealthCheck[] = [
  { name: 'intact', exec: ['test', '!', '-e', '/var/broken'], within: '1s' },
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
  const all = { version, health, signers: [keys.release], trust: keys, ...wanted }
  releases.set(name, await makeRelease(repository, all))
}

const at = (name: string) => ({ sys: realSys, folder, name })

/** A machine that is up and confirmed; removed after the test, or after the tests that share it. */
async function newMachine(watchdogSeconds?: number): Promise<string> {
  const name = `node-${++machines}`
  await createMachine({
    ...at(name),
    repository,
    release: await readRelease(repository, release('1.0.0')),
    architecture: 'amd64',
    network,
    enrolmentToken: server.enrolmentFor(name),
    progress: () => undefined,
    ...(watchdogSeconds !== undefined && { watchdogSeconds }),
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

/** Cuts the power: the launcher is killed, and the kernel ends all that it started. */
async function cutPower(name: string): Promise<void> {
  const { state } = await statusOf(at(name))
  const leader = (await leaderOf(realSys, state?.pid ?? 0)) ?? 0
  process.kill(state?.pid ?? 0, 'SIGKILL')
  const isOver = async () =>
    !(await statusOf(at(name))).running && (await startTimeOf(realSys, leader)) === undefined
  await vi.waitUntil(isOver, 20_000)
}

async function removeMachines(): Promise<void> {
  for (const name of made.splice(0)) {
    if ((await statusOf(at(name))).running) await cutPower(name)
    await removeMachine(at(name))
  }
}

/** Resolves when a unit of the machine, which runs this slot, is being started. */
async function starting(name: string, slot: SlotName, unit: string): Promise<void> {
  const ask = async () => {
    const { state } = await statusOf(at(name))
    if (state?.running?.slot !== slot) return ''
    return (await inside(name, 'systemctl', 'show', '-P', 'ActiveState', unit)).text
  }
  await expect.poll(ask, { timeout: 60_000 }).toBe('activating\n')
}

beforeAll(async () => {
  execFileSync(join(import.meta.dirname, '../../script/bundle'))
  const store = await openContentStore(realSys, join(work, 'store'))
  repository = store.repository('small')
  await build('1.0.0', '1.0.0')
  await build('1.1.0', '1.1.0')
  await build('broken', '1.2.0', { files: { 'etc/nginx/sites-available/default': 'no such directive;\n' } })
  await build('unsigned', '1.3.0', { page: '1.1.0', signers: [] })
  await build('strange', '1.3.1', { page: '1.1.0', signers: [keys.stranger] })
  await build('floor', '2.0.0', { page: '1.1.0', floor: '1.1.0' })
  await build('slow', '2.1.0', {
    health: [{ name: 'told', exec: ['test', '-e', '/var/told'], within: '60s' }],
    files: {
      'usr/lib/systemd/system/ashlar-confirm.service.d/wait.conf':
        "[Service]\nExecStartPre=/bin/sh -c 'until test -e /var/confirm; do sleep 0.1; done'\n",
    },
  })
  await build('dies', '2.2.0', {
    files: {
      'usr/lib/systemd/system/ashlar-confirm.service.d/die.conf':
        '[Service]\nExecStartPre=/usr/share/small/die-once\n',
      'usr/share/small/die-once': '#!/bin/sh\ntest -e /var/died && exit 0\ntouch /var/died\nkill -9 $$\n',
    },
  })
  await build('panics', '2.3.0', {
    files: {
      'usr/lib/systemd/system/systemd-tmpfiles-setup.service.d/panic.conf':
        '[Service]\nExecStartPre=/usr/bin/systemctl --force --force reboot\n',
    },
  })
  await build('hangs', '2.4.0', {
    health: [],
    files: {
      'usr/lib/systemd/system/systemd-tmpfiles-setup.service.d/hang.conf':
        '[Service]\nExecStartPre=/bin/sleep infinity\n',
    },
  })
  await ensureBridge(realSys, { bridge: network.bridge, gateway: gatewayOf(network) })
  server = new TinyServer(repository, keys.director, gatewayOf(network))
  await server.start()
})

afterAll(async () => {
  await server.stop()
  rmSync(work, { recursive: true, force: true })
})

describe('a machine', () => {
  afterEach(removeMachines)

  test('boots from an image that refuses writes, and leaves nothing behind', async () => {
    const name = await newMachine()
    for (const path of ['/usr/x', '/etc/x', '/x', '/usr/lib/ashlar/trust.json'])
      expect((await inside(name, 'touch', path)).text).toMatch(/Read-only file system/)
    for (const path of ['/run/ashlar/disk/a/root.erofs', '/run/ashlar/disk/a/release/x'])
      expect((await inside(name, 'touch', path)).text).toMatch(/Read-only file system/)
    for (const path of ['/var/x', '/run/ashlar/disk/b/x'])
      expect((await inside(name, 'touch', path)).exitCode).toBe(0)
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
})

describe('an update', () => {
  afterEach(removeMachines)

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

  test('that never gets as far as its checks uses up its tries, whether it ends or hangs', async () => {
    const name = await newMachine(3)
    for (const [wanted, boots] of [
      ['panics', 5],
      ['hangs', 9],
    ] as const) {
      const { outcome, running } = await server.outcome(name, server.order(name, release(wanted)))
      expect(outcome).toMatchObject({ is: 'went-back', reason: { code: 'boot-tries-used-up' } })
      expect(running).toMatchObject({ release: release('1.0.0'), confirmed: true })
      expect((await statusOf(at(name))).state?.boots).toBe(boots)
    }
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
})

describe('what nobody who is believed has ordered or signed', () => {
  let name: string
  beforeAll(async () => {
    name = await newMachine()
  })
  afterAll(removeMachines)

  const refused = async (order: ReturnType<TinyServer['order']>, code: string) => {
    const { outcome, running, slots } = await server.outcome(name, order)
    expect(outcome).toMatchObject({ is: 'refused', reason: { code } })
    expect(running.release).toBe(release('1.0.0'))
    expect(slots.b.is).toBe('empty')
  }

  test.each([
    ['an unsigned release', 'unsigned', {}, 'signature-missing'],
    ['a release signed by a stranger', 'strange', {}, 'signature-missing'],
    ['an order for another node', '1.1.0', { node: 'somebody-else' }, 'assignment-other-node'],
    ['an order that comes too late', '1.1.0', { beginUntil: 1 }, 'assignment-late'],
    ['an order of an earlier number', '1.1.0', { order: { epoch: 0, number: 0 } }, 'assignment-replayed'],
  ] as const)('%s is refused', (_, wanted, change, code) =>
    refused(server.order(name, release(wanted), change), code),
  )

  test('an order by a key that the running image does not believe is refused', () =>
    refused(server.order(name, release('1.1.0'), {}, keys.stranger), 'assignment-signature'))

  test('a blob that was exchanged in the registry is refused', async () => {
    const blob = await rootBlob('1.1.0')
    server.exchanged.set(blob.digest, Buffer.alloc(blob.size, 7))
    try {
      await refused(server.order(name, release('1.1.0')), 'blob-digest-mismatch')
    } finally {
      server.exchanged.clear()
    }
  })
})

describe('what breaks in between', () => {
  afterEach(removeMachines)

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
    // Ranges with an end ask for the table of frames.
    const starts = server.ranges.flatMap((range) => Number(/bytes=(\d+)-$/.exec(range)?.[1] ?? Number.NaN))
    const resumed = starts.filter((start) => start > 0)
    expect(resumed.length).toBeGreaterThanOrEqual(2)
    expect(resumed.at(-1)).toBeGreaterThan(resumed[0] ?? 0)
  })

  test('health checks killed on trial are started again', async () => {
    const name = await newMachine()
    const order = server.order(name, release('slow'))
    await starting(name, 'b', 'ashlar-health')
    await inside(name, 'systemctl', 'kill', '--signal=KILL', 'ashlar-health.service')
    await inside(name, 'systemctl', 'kill', '--signal=KILL', 'ashlar-agent.service')
    await inside(name, 'touch', '/var/told', '/var/confirm')
    expect((await server.outcome(name, order)).outcome?.is).toBe('confirmed')
  })

  test('a power cut while staging and on trial: it goes on, and what was never confirmed is left', async () => {
    const name = await newMachine()
    server.stallAfterBytes = [8_000_000]
    const order = server.order(name, release('slow'))
    await server.stalled()
    await cutPower(name)
    await start(name)
    for (let boot = 1; boot <= 3; boot++) {
      await starting(name, 'b', 'ashlar-health')
      await cutPower(name)
      await start(name)
    }
    const { outcome, running } = await server.outcome(name, order)
    expect(outcome).toMatchObject({ is: 'went-back', reason: { code: 'boot-tries-used-up' } })
    expect(running).toMatchObject({ slot: 'a', release: release('1.0.0'), confirmed: true })

    // Ordered again: the power is cut while it is being confirmed, and it is confirmed after that.
    const again = server.order(name, release('slow'))
    await starting(name, 'b', 'ashlar-health')
    await inside(name, 'touch', '/var/told')
    await starting(name, 'b', 'ashlar-confirm')
    await cutPower(name)
    await start(name)
    await starting(name, 'b', 'ashlar-confirm')
    await inside(name, 'touch', '/var/confirm')
    const confirmed = await server.outcome(name, again)
    expect(confirmed).toMatchObject({ outcome: { is: 'confirmed' }, running: { slot: 'b', confirmed: true } })
    await cutPower(name)
    await start(name)
    expect((await statusOf(at(name))).state?.running?.slot).toBe('b')
  })

  test('a confirmation that is killed is made again', async () => {
    const name = await newMachine()
    const { outcome, running } = await server.outcome(name, server.order(name, release('dies')))
    expect(outcome?.is).toBe('confirmed')
    expect(running).toMatchObject({ release: release('dies'), confirmed: true })
  })

  test('a confirmed release whose checks fail at an ordinary boot stays, and is reported', async () => {
    const name = await newMachine()
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
