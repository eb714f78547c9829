import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SlotName } from '../../core/index.ts'
import {
  type BootEntry,
  bless,
  confirmedEntry,
  diskPath,
  markBad,
  readDiskFolder,
  renameEntry,
  slotsOf,
  trialEntry,
} from '../../disk/index.ts'
import { realSys, type Sys } from '../../sys/index.ts'
import { type NodeFixture, nodeFixture } from '../../testing/index.ts'
import { machineSchema, readLauncherState } from '../machine-folder.ts'
import { Launcher } from './launcher.ts'

let at: NodeFixture
beforeAll(async () => {
  at = await nodeFixture()
})
afterAll(() => at.remove())
beforeEach(async () => {
  await at.fresh()
  await at.tryInB(at.second)
})

const machine = machineSchema.parse({
  name: 'node',
  repository: 'gateway',
  uuid: '00000000-0000-4000-8000-000000000000',
  bridge: 'ashlar0',
  address: '10.97.0.2',
  gateway: '10.97.0.1',
})

/** The host's programs, of which none is really run: what each would do is the test's. */
interface Host {
  /** Whether the image of this slot can be mounted. */
  readonly mounts?: (slot: string) => boolean
  /** A system that has started and never ends by itself, and what it did before; it powers off when it is let be. */
  readonly hangs?: SlotName
  readonly does?: () => Promise<void>
}

function hostOf({ mounts = () => true, hangs, does }: Host) {
  const boots: SlotName[] = []
  const waits: number[] = []
  let powerOff = () => {}
  const spawn: Sys['exec']['spawn'] = async (_, args) => {
    const facts = args.find((arg) => arg.startsWith('--set-credential=ashlar.boot:')) ?? ''
    const { slot } = JSON.parse(facts.slice(facts.indexOf('{'))) as { slot: SlotName }
    boots.push(slot)
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number }>()
    if (slot === hangs) {
      powerOff = () => resolve({ exitCode: 0 })
      await does?.()
    } else resolve({ exitCode: 0 })
    const none = (async function* () {})()
    return { pid: 0, exited: promise, stdout: none, stderr: none, kill: () => resolve({ exitCode: 137 }) }
  }
  const run: Sys['exec']['run'] = async (program, args) => {
    const slot = program === 'mount' && args.includes('erofs') ? dirname(args.at(-2) ?? '').at(-1) : undefined
    const exitCode = slot === undefined || mounts(slot) ? 0 : 32
    return { exitCode, stdout: new Uint8Array(), stderr: '' }
  }
  const sys: Sys = {
    ...realSys,
    // Whatever is waited for has come.
    clock: { ...realSys.clock, sleep: async (ms) => void waits.push(ms) },
    exec: { ...realSys.exec, run, spawn },
  }
  const log = (line: string) => {
    if (line.includes('is left running')) powerOff()
  }
  return { sys, boots, waits, log }
}

async function launch(host: Host) {
  const { sys, boots, waits, log } = hostOf(host)
  const home = dirname(at.paths.disk)
  await Launcher.run({
    sys,
    folder: dirname(home),
    machine,
    architecture: 'amd64',
    stop: new AbortController().signal,
    log,
  })
  const state = await readLauncherState(realSys, join(home, 'launcher.json'))
  return {
    boots,
    waits,
    phase: state?.phase,
    slots: slotsOf(await readDiskFolder(realSys.disk, at.paths.disk)),
  }
}

/** The entry of slot b, which has this many tries left, becomes another one. */
async function rename(left: number, to: (entry: BootEntry) => BootEntry): Promise<void> {
  const entry = { ...trialEntry(2, at.second.digest), counter: { left, done: 3 - left } }
  await renameEntry(realSys.disk, at.paths.disk, entry, to(entry))
}
const confirmB = () => rename(3, bless)

/** Nothing is left to go back to. */
async function condemnA(): Promise<void> {
  const entry = confirmedEntry(1, at.first.digest)
  await renameEntry(realSys.disk, at.paths.disk, entry, markBad(entry))
}

describe('the watchdog', () => {
  test('leaves a release alone that was confirmed, whether the node could say so or not', async () => {
    const { boots, phase } = await launch({ hangs: 'b', does: () => rename(2, bless) })
    expect(boots).toEqual(['b'])
    expect(phase).toBe('off')
  })

  test('leaves a trial alone that failed, and stays since nothing else is there', async () => {
    await condemnA()
    const { boots, phase } = await launch({ hangs: 'b', does: () => rename(2, markBad) })
    expect(boots).toEqual(['b'])
    expect(phase).toBe('off')
  })

  test.each([
    ['a trial', 3, true],
    ['a release that was given up, and runs since nothing else is there', 0, false],
  ])('%s with %i tries left: watched %s', async (_, left, watched) => {
    await condemnA()
    if (left === 0) await rename(3, markBad)
    const { boots, waits } = await launch({})
    expect(boots).toEqual(['b'])
    expect(waits.includes(machine.watchdogSeconds * 1_000)).toBe(watched)
  })
})

describe('what cannot be run', () => {
  test('a trial that hangs is ended as by a watchdog, and after its tries the good release runs', async () => {
    const { boots, phase, slots } = await launch({ hangs: 'b' })
    expect(boots).toEqual(['b', 'b', 'b', 'a'])
    expect(phase).toBe('off')
    expect(slots.b).toMatchObject({ is: 'bad', why: { code: 'boot-tries-used-up' } })
  })

  test('a trial that cannot be mounted uses up its tries', async () => {
    const { boots, slots } = await launch({ mounts: (slot) => slot === 'a' })
    expect(boots).toEqual(['a'])
    expect(slots).toMatchObject({ a: { is: 'good' }, b: { is: 'bad', why: { code: 'boot-tries-used-up' } } })
  })

  test('a confirmed release whose mount fails for a moment is tried again', async () => {
    await confirmB()
    let fails = 2
    const { boots, slots } = await launch({ mounts: () => fails-- <= 0 })
    expect(boots).toEqual(['b'])
    expect(slots).toMatchObject({ a: { is: 'good' }, b: { is: 'good' } })
  })

  test('a confirmed release that cannot be mounted steps back for one that can', async () => {
    await confirmB()
    const { boots, slots } = await launch({ mounts: (slot) => slot === 'a' })
    expect(boots).toEqual(['a'])
    expect(slots).toMatchObject({ a: { is: 'good' }, b: { is: 'bad', why: { code: 'mount-failed' } } })
  })

  test('the last one there is not condemned for it; the machine is given up after some attempts', async () => {
    await at.fresh()
    const { boots, phase, slots } = await launch({ mounts: () => false })
    expect(boots).toEqual([])
    expect(phase).toBe('failed')
    expect(slots.a.is).toBe('good')
  })

  test.each([
    ['image', diskPath.root('b'), 'slot-unreadable'],
    ['release', diskPath.release('b'), 'release-files-damaged'],
  ])('a slot whose %s is no such file is bad, and the other one runs', async (_, path, code) => {
    rmSync(join(at.paths.disk, path), { recursive: true })
    if (code === 'slot-unreadable') mkdirSync(join(at.paths.disk, path))
    else writeFileSync(join(at.paths.disk, path), '')
    const { boots, slots } = await launch({})
    expect(boots).toEqual(['a'])
    expect((await readDiskFolder(realSys.disk, at.paths.disk)).entries).toContainEqual(
      expect.objectContaining({ slot: 'b', why: expect.objectContaining({ code }) }),
    )
    expect(slots.a.is).toBe('good')
  })

  test.each([
    ['the index of slot b', join(diskPath.release('b'), diskPath.releaseFile.index), ['a']],
    ['a boot entry', diskPath.entry('9-000000000000.efi'), ['b']],
  ])('a folder in place of %s does not keep the others from being run', async (_, path, boots) => {
    rmSync(join(at.paths.disk, path), { force: true })
    mkdirSync(join(at.paths.disk, path))
    expect(await launch({})).toMatchObject({ boots, slots: { a: { is: 'good' } } })
  })

  test('a disk with a link in place of a folder: nothing is written where it leads', async () => {
    const elsewhere = join(at.paths.state, 'elsewhere')
    mkdirSync(elsewhere)
    rmSync(join(at.paths.disk, diskPath.kept), { recursive: true })
    symlinkSync(elsewhere, join(at.paths.disk, diskPath.kept))
    rmSync(join(at.paths.disk, diskPath.root('b')))
    await expect(launch({})).rejects.toMatchObject({ code: 'folder-malformed' })
    expect(readdirSync(elsewhere)).toEqual([])
  })
})
