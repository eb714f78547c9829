import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SlotName } from '../../core/index.ts'
import { bless, diskPath, readDiskFolder, renameEntry, slotsOf, trialEntry } from '../../disk/index.ts'
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
  /** A system that has started and never ends; the others power off. */
  readonly hangs?: SlotName
}

function hostOf({ mounts = () => true, hangs }: Host) {
  const boots: SlotName[] = []
  const spawn: Sys['exec']['spawn'] = async (_, args) => {
    const facts = args.find((arg) => arg.startsWith('--set-credential=ashlar.boot:')) ?? ''
    const { slot } = JSON.parse(facts.slice(facts.indexOf('{'))) as { slot: SlotName }
    boots.push(slot)
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number }>()
    if (slot !== hangs) resolve({ exitCode: 0 })
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
    clock: { ...realSys.clock, sleep: async () => undefined },
    exec: { ...realSys.exec, run, spawn },
  }
  return { sys, boots }
}

async function launch(host: Host) {
  const { sys, boots } = hostOf(host)
  const home = dirname(at.paths.disk)
  await Launcher.run({
    sys,
    folder: dirname(home),
    machine,
    architecture: 'amd64',
    stop: new AbortController().signal,
    log: () => undefined,
  })
  const state = await readLauncherState(realSys, join(home, 'launcher.json'))
  return { boots, phase: state?.phase, slots: slotsOf(await readDiskFolder(realSys.disk, at.paths.disk)) }
}

async function confirmB(): Promise<void> {
  const entry = trialEntry(2, at.second.digest)
  await renameEntry(realSys.disk, at.paths.disk, entry, bless(entry))
}

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
