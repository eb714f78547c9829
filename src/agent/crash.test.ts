import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Reason, SlotName } from '../core/index.ts'
import {
  chooseEntry,
  countDown,
  diskPath,
  printEntryName,
  readDiskFolder,
  renameEntry,
  slotsOf,
  trialEntry,
} from '../disk/index.ts'
import { digestOf } from '../oci/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type NodeFixture, nodeFixture, type ReleaseFixture } from '../testing/index.ts'
import { carryOut } from './apply.ts'
import { confirmBoot, mayStay } from './boot-judge.ts'
import { giveUp } from './node.ts'

let at: NodeFixture
beforeAll(async () => {
  at = await nodeFixture()
})
afterAll(() => at.remove())

const why: Reason = { code: 'health-check-failed', message: 'web does not answer' }

class Crash extends Error {}

/** The real disk, until the process "is killed" before its `after`-th change. Asking for a reboot is one, too. */
function crashing(after: number): { readonly sys: Sys; readonly ran: string[] } {
  const ran: string[] = []
  let done = 0
  const guard = () => {
    if (++done > after) throw new Crash(`killed before change ${after + 1}`)
  }
  const change =
    <Args extends unknown[], R>(act: (...args: Args) => Promise<R>) =>
    async (...args: Args) => {
      guard()
      return act(...args)
    }
  const { disk: real } = realSys
  const changes = ['mkdir', 'rename', 'rm', 'writeDurably', 'syncFolder'] as const
  const guarded = Object.fromEntries(
    changes.map((name) => [name, change(real[name] as (...args: unknown[]) => Promise<unknown>)]),
  )
  const open: Sys['disk']['open'] = async (...args) => {
    const file = await real.open(...args)
    if (args[1] === 'r') return file
    const [write, append] = [file.write.bind(file), file.appendFile.bind(file)]
    return Object.assign(file, {
      write: change(write as (...a: unknown[]) => Promise<unknown>),
      appendFile: change(append as (...a: unknown[]) => Promise<unknown>),
    })
  }
  const exec: Sys['exec'] = {
    ...realSys.exec,
    run: change(async (program: string, args: readonly string[]) => {
      ran.push([program, ...args].join(' '))
      return { exitCode: 0, stdout: new Uint8Array(), stderr: '' }
    }),
  }
  const random: Sys['random'] = { bytes: (count) => new Uint8Array(count) }
  return { sys: { ...realSys, exec, random, disk: { ...real, ...guarded, open } as Sys['disk'] }, ran }
}

const calm = () => crashing(Number.POSITIVE_INFINITY).sys

/** The agent of the first release, in slot a, with an order that its journal may know already. */
async function carry(sys: Sys, release: ReleaseFixture, number = 1) {
  const node = at.node(sys, 'a', at.first)
  const { order } = at.order(release, number)
  const known = await node.memory.read()
  const isKnown = known.work?.assignment.order.number === number
  const work =
    isKnown && known.work !== undefined ? known.work : { assignment: at.order(release, number), begun: false }
  const state = isKnown ? known : { ...known, order, work }
  return carryOut({ node, repository: at.repository, now: 0, onPhase: () => undefined }, state, work)
}

/** What would boot now, with the content that it would have. */
async function whatBoots() {
  const { entries, held } = await readDiskFolder(realSys.disk, at.paths.disk)
  const entry = chooseEntry(entries)
  if (entry === undefined) throw new Error('nothing boots')
  expect(held[entry.slot]).toBe(entry.digest)
  const root = digestOf(await realSys.disk.readFile(join(at.paths.disk, diskPath.root(entry.slot))))
  const whole = [at.first, at.second, at.other].find(({ digest }) => digest === entry.digest)
  expect(root).toBe(whole && digestOf(whole.root))
  return { release: entry.digest, entries, held }
}

async function stateOf(running: number) {
  return slotsOf({ ...(await readDiskFolder(realSys.disk, at.paths.disk)), running })
}

async function boot(): Promise<void> {
  const entry = chooseEntry((await readDiskFolder(realSys.disk, at.paths.disk)).entries)
  if (entry === undefined) throw new Error('nothing to boot')
  await renameEntry(realSys.disk, at.paths.disk, entry, countDown(entry))
}

/** Runs `act` with a crash before its 1st, 2nd … change (or each `every`-th), until it gets through; says how many changes that were. */
async function atEachChange(
  prepare: () => Promise<unknown>,
  act: (sys: Sys) => Promise<unknown>,
  check: () => Promise<void>,
  every = 1,
): Promise<number> {
  for (let after = 0; ; after += every) {
    await prepare()
    try {
      await act(crashing(after).sys)
      return after
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
    await check()
  }
}

/** The other release failed in slot b; the agent began to clear the slot and was killed before this change. */
async function halfCleared(after: number): Promise<void> {
  await at.fresh()
  await at.tryInB(at.other)
  await at.node(calm(), 'a', at.first).slots.markBad(2, why)
  const clear = at.node(crashing(after).sys, 'a', at.first).slots.clear('b')
  await expect(clear).rejects.toThrow(Crash)
}

const release = (slot: SlotName) => join(at.paths.disk, diskPath.release(slot))

describe('killed before each of its changes to the disk', () => {
  test.each<[string, () => Promise<unknown>, number?]>([
    ['an empty slot b', () => at.fresh()],
    ['a slot b whose entry is gone and whose reason is not', () => halfCleared(2)],
    ['a slot b whose release is gone and whose image is not', () => halfCleared(4), 5],
    [
      'the release staged in slot b, and never tried',
      async () => {
        await at.fresh()
        await at.tryInB(at.second)
        rmSync(join(at.paths.disk, diskPath.entry(printEntryName(trialEntry(2, at.second.digest)))))
      },
      5,
    ],
    [
      'the release in slot b with damaged files',
      async () => {
        await at.fresh()
        await at.tryInB(at.second)
        await realSys.disk.writeFile(join(release('b'), diskPath.releaseFile.document), 'x')
      },
      5,
    ],
    [
      'the release in slot b without its image',
      async () => {
        await at.fresh()
        await at.tryInB(at.second)
        await at.node(calm(), 'a', at.first).slots.markBad(2, why)
        await realSys.disk.rm(join(at.paths.disk, diskPath.root('b')))
      },
      5,
    ],
    [
      'the release in slot b, with an image that cannot be read',
      async () => {
        await at.fresh()
        await at.tryInB(at.second)
        await at.node(calm(), 'a', at.first).slots.markBad(2, why)
        await realSys.disk.rm(join(at.paths.disk, diskPath.root('b')))
        await realSys.disk.mkdir(join(at.paths.disk, diskPath.root('b')))
      },
      5,
    ],
    [
      'the same release in slot b, which went bad before',
      async () => {
        await at.fresh()
        await at.tryInB(at.second)
        await at.node(calm(), 'a', at.first).slots.markBad(2, why)
      },
      5,
    ],
  ])(
    'an update from %s leaves the old release or all of the new one, and goes on to the end',
    async (_, prepare, every) => {
      const points = await atEachChange(
        prepare,
        (sys) => carry(sys, at.second),
        async () => {
          await whatBoots()
          // Started again, the agent gets there.
          expect((await carry(calm(), at.second)).is).toBe('rebooting')
          expect((await whatBoots()).release).toBe(at.second.digest)
          expect(await stateOf(1)).toMatchObject({ a: { is: 'good' }, b: { is: 'trial', bootsLeft: 3 } })
          const { document } = at.second
          expect(await at.node(calm(), 'a', at.first).slots.document('b')).toEqual(document)
        },
        every,
      )
      expect(points).toBeGreaterThan(10)
    },
  )

  test('an order for what runs withdraws what an earlier one staged: it never boots', async () => {
    const committed = async () => {
      await at.fresh()
      await carry(calm(), at.second)
    }
    const points = await atEachChange(
      committed,
      (sys) => carry(sys, at.first, 2),
      async () => {
        expect((await carry(calm(), at.first, 2)).is).toBe('done')
        expect(await whatBoots()).toMatchObject({ release: at.first.digest, held: { a: at.first.digest } })
        expect(await stateOf(1)).toMatchObject({ a: { is: 'good' }, b: { is: 'empty' } })
      },
    )
    expect(points).toBeGreaterThan(4)
  })

  test('a confirmation is done again to its end: blessed, floor raised, what is below it gone', async () => {
    const onTrial = async () => {
      await at.fresh()
      await carry(calm(), at.second)
      await boot()
    }
    const points = await atEachChange(
      onTrial,
      (sys) => confirmBoot(at.node(sys, 'b', at.second)),
      async () => {
        // The second release runs and can boot again, whatever was done of it.
        expect((await whatBoots()).release).toBe(at.second.digest)
        const node = at.node(calm(), 'b', at.second)
        await confirmBoot(node)
        const { entries, held } = await readDiskFolder(realSys.disk, at.paths.disk)
        expect(entries.map(({ install, counter }) => [install, counter])).toEqual([[2, undefined]])
        expect(held).toEqual({ b: at.second.digest })
        expect(await node.memory.floor()).toBe(at.second.document.floor)
      },
    )
    expect(points).toBeGreaterThan(5)
  })

  test('a trial that is given up is left: the release that comes next is the good one', async () => {
    const onTrial = async () => {
      await at.fresh()
      await at.tryInB(at.second)
      await boot()
    }
    const points = await atEachChange(
      onTrial,
      (sys) => giveUp(at.node(sys, 'b', at.second), why),
      async () => {
        await whatBoots()
        const { sys, ran } = crashing(Number.POSITIVE_INFINITY)
        const node = at.node(sys, 'b', at.second)
        // Killed before the first change, it is still a trial, and its checks fail again.
        const stays = await mayStay(node, async () => void (await giveUp(node, why)))
        expect(stays).toBe(false)
        expect(ran).toContain('systemctl reboot')
        expect((await whatBoots()).release).toBe(at.first.digest)
        expect(await stateOf(1)).toMatchObject({ a: { is: 'good' }, b: { is: 'bad', why } })
      },
    )
    expect(points).toBeGreaterThan(3)
  })
})

test('a bad release stays where nothing better is there, for a reboot would lead to it again', async () => {
  await at.fresh()
  await at.tryInB(at.second)
  await at.node(calm(), 'a', at.first).slots.markBad(1, why)
  const { sys, ran } = crashing(Number.POSITIVE_INFINITY)
  const node = at.node(sys, 'b', at.second)
  expect(await giveUp(node, why)).toBe(false)
  expect(await mayStay(node, async () => undefined)).toBe(true)
  expect(ran).toEqual([])
})

test('a confirmation that is killed before it told the launcher: the part that waited for it tells', async () => {
  await at.fresh()
  await at.tryInB(at.second)
  await boot()
  const writeDurably: Sys['disk']['writeDurably'] = async (path, ...rest) => {
    if (path.endsWith(diskPath.bootComplete)) throw new Crash('killed')
    return realSys.disk.writeDurably(path, ...rest)
  }
  const killed = at.node({ ...calm(), disk: { ...realSys.disk, writeDurably } }, 'b', at.second)
  const confirmation = () => expect(confirmBoot(killed)).rejects.toThrow(Crash)
  expect(await mayStay(at.node(calm(), 'b', at.second), confirmation)).toBe(true)
  expect(await stateOf(2)).toMatchObject({ b: { is: 'good' } })
  expect(await realSys.disk.readFile(join(at.paths.disk, diskPath.bootComplete), 'utf8')).toContain('2')
})

test('a confirmation takes away what cannot be read beside it, and comes to its end', async () => {
  await at.fresh()
  await at.tryInB(at.other)
  await realSys.disk.writeFile(join(release('b'), diskPath.releaseFile.manifest), 'x')
  await confirmBoot(at.node(calm(), 'a', at.first))
  expect(await stateOf(1)).toMatchObject({ a: { is: 'good' }, b: { is: 'empty' } })
  expect(await realSys.disk.readFile(join(at.paths.disk, diskPath.bootComplete), 'utf8')).toContain('1')
})

test.each([
  ['lets be what the other part is staging', { slot: 'b', install: 2 }, 'staged'],
  [
    'has nobody beside it while the order that led to this boot waits for it',
    { slot: 'a', install: 1 },
    'empty',
  ],
] as const)('a confirmation %s', async (_, tried, is) => {
  await at.fresh()
  await at.tryInB(at.second)
  await realSys.disk.rm(join(at.paths.disk, diskPath.entry(printEntryName(trialEntry(2, at.second.digest)))))
  await realSys.disk.writeFile(join(release('b'), diskPath.releaseFile.manifest), 'x')
  const node = at.node(calm(), 'a', at.first)
  const assignment = at.order(at.second)
  const work = { assignment, begun: true, tried }
  await node.memory.write({ revision: 0, order: assignment.order, seenAt: 0, work })
  await confirmBoot(node)
  expect((await stateOf(1)).b.is).toBe(is)
})
