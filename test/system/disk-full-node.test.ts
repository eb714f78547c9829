import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Node, Runner } from '../../src/agent/index.ts'
import type { NodeStatus } from '../../src/api/index.ts'
import { createNodeKey } from '../../src/identity/index.ts'
import { createMachine, listMachines } from '../../src/machines/index.ts'
import { type Repository, readRelease } from '../../src/oci/index.ts'
import { realSys, type Sys } from '../../src/sys/index.ts'
import { type NodeFixture, nodeFixture } from '../../src/testing/index.ts'
import { type SmallDisk, smallDisk } from './small-disk.ts'

let disk: SmallDisk
let at: NodeFixture
const outer = process.env.TMPDIR
beforeEach(async () => {
  // The agent leaves 64 MiB free where it stages.
  disk = smallDisk(96)
  process.env.TMPDIR = disk.folder
  at = await nodeFixture()
  await at.fresh()
})
afterEach(() => {
  if (outer === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = outer
  disk.remove()
})

/** Thrown where the agent would go on for ever. */
class End extends Error {}

/** The real disk, a clock that only sleeping moves, and somebody who looks in at each sleep. */
function world(onSleep: (sleeps: number) => void) {
  const ran: string[] = []
  let [nowMs, sleeps] = [0, 0]
  const sys: Sys = {
    ...realSys,
    random: { bytes: (count) => new Uint8Array(count) },
    clock: {
      now: () => 1_800_000_000_000 + nowMs,
      monotonicMs: () => nowMs,
      sleep: async (ms) => {
        if (ran.length > 0) throw new End()
        nowMs += ms
        onSleep(++sleeps)
      },
    },
    exec: {
      ...realSys.exec,
      async run(program, args) {
        ran.push([program, ...args].join(' '))
        return { exitCode: 0, stdout: new Uint8Array(), stderr: '' }
      },
    },
  }
  return { sys, ran }
}

/** The repository, with a disk that becomes full as soon as the root image arrives. */
function fillingDisk(repository: Repository): Repository {
  async function* readFrom(...[digest, offset]: Parameters<Repository['blobs']['readFrom']>) {
    disk.fill()
    yield* repository.blobs.readFrom(digest, offset)
  }
  return { ...repository, blobs: { ...repository.blobs, readFrom } }
}

async function run(node: Node, repository: Repository): Promise<NodeStatus[]> {
  const reports: NodeStatus[] = []
  const identity = { node: 'node-1', server: 'http://localhost', enrolled: true, ...createNodeKey() }
  const ended = Runner.start(node, identity, {
    assignment: async () => undefined,
    report: async (status) => void reports.push(status),
    repository: () => repository,
  })
  await expect(ended).rejects.toBeInstanceOf(End)
  return reports
}

test('a disk that becomes full while a release is staged: the node says so, keeps what runs, and goes on when there is room', async () => {
  const held: boolean[] = []
  const { sys, ran } = world((sleeps) => {
    held.push(existsSync(join(at.paths.disk, 'b/root.erofs')), existsSync(join(at.paths.state, 'incoming')))
    if (sleeps === 5) disk.empty()
  })
  const node = at.node(sys, 'a', at.first)
  const assignment = { ...at.order(at.second), beginUntil: 2_000_000_000_000 }
  await node.memory.write({
    revision: 0,
    order: assignment.order,
    seenAt: 0,
    work: { assignment, begun: false },
  })
  let asked = 0
  const full = fillingDisk(at.repository)
  const repository: Repository = {
    ...full,
    // The release's document comes first and is small; afterwards the disk stays as it is.
    blobs: {
      ...full.blobs,
      readFrom: (...args) => (++asked === 2 ? full : at.repository).blobs.readFrom(...args),
    },
  }
  const reports = await run(node, repository)
  expect(asked).toBeGreaterThan(2)
  const warned = reports.filter(({ warnings }) => warnings.some(({ code }) => code === 'disk-full'))
  expect(warned.length).toBeGreaterThan(0)
  for (const { running, slots, outcome } of warned)
    expect({ running, slots, outcome }).toMatchObject({
      running: { slot: 'a', release: at.first.digest, confirmed: true },
      slots: { b: { is: 'empty' } },
      outcome: undefined,
    })
  // Nothing half-written stays while it waits.
  expect(held).not.toContain(true)
  expect(ran).toEqual(['systemctl reboot'])
  expect((await node.slots.read()).held.b).toBe(at.second.digest)
})

test('a journal that cannot be written ends no agent: it waits, and the order is taken when there is room', async () => {
  const { sys, ran } = world((sleeps) => {
    if (sleeps === 4) disk.empty()
  })
  const node = at.node(sys, 'a', at.first)
  const assignment = { ...at.order(at.second), beginUntil: 2_000_000_000_000 }
  await node.memory.write({
    revision: 0,
    order: assignment.order,
    seenAt: 0,
    work: { assignment, begun: true },
  })
  disk.fill()
  const reports = await run(node, at.repository)
  expect(reports.some(({ warnings }) => warnings.some(({ code }) => code === 'disk-full'))).toBe(true)
  expect(ran).toEqual(['systemctl reboot'])
})

test('a trial that failed is marked bad on a full disk, too: it is not booted again', async () => {
  await at.tryInB(at.second)
  const node = at.node(world(() => undefined).sys, 'b', at.second)
  disk.fill()
  await node.slots.markBad(2, { code: 'health-check-failed', message: 'x'.repeat(5_000) })
  const { entries } = await node.slots.read()
  expect(entries.find(({ install }) => install === 2)?.counter?.left).toBe(0)
  expect(readdirSync(join(at.paths.disk, 'esp/ashlar')).filter((name) => name.endsWith('.tmp'))).toEqual([])
})

test('a machine that does not fit is not made, leaves nothing, and fits when there is room', async () => {
  const folder = join(disk.folder, 'machines')
  const release = await readRelease(at.repository, at.first.digest)
  const create = () =>
    createMachine({
      ...{ sys: realSys, folder, name: 'node-1', repository: at.repository, release, architecture: 'amd64' },
      network: { bridge: 'ashlarfull0', prefix: '10.98.1' },
      progress: () => undefined,
    })
  disk.fill()
  await expect(create()).rejects.toMatchObject({ code: 'ENOSPC' })
  expect(await listMachines({ sys: realSys, folder })).toEqual([])
  disk.empty()
  await create()
  await realSys.exec.run('ip', ['link', 'delete', 'ashlarfull0'])
  expect(await listMachines({ sys: realSys, folder })).toHaveLength(1)
})
