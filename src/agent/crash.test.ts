import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Assignment } from '../api/index.ts'
import { predicateType, statementAbout } from '../core/index.ts'
import {
  chooseEntry,
  confirmedEntry,
  countDown,
  diskPath,
  putEntry,
  readDiskFolder,
  renameEntry,
  sealSlot,
  slotsOf,
} from '../disk/index.ts'
import { attachBundle, digestOf, openContentStore, type Repository, readRelease } from '../oci/index.ts'
import { generateKeyPair, loadPrivateKey, signStatement } from '../sign/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type ReleaseFixture, releaseFixture } from '../testing/index.ts'
import { carryOut } from './apply.ts'
import { confirmBoot } from './boot-judge.ts'
import { FolderSlots } from './folder-slots.ts'
import type { Node } from './node.ts'
import { NodeMemory, type NodeState } from './state.ts'

const work = mkdtempSync(join(tmpdir(), 'ashlar-crash-'))
const releaseKey = loadPrivateKey(generateKeyPair().privateKey)
let repository: Repository
let first: ReleaseFixture
let second: ReleaseFixture

beforeAll(async () => {
  repository = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  first = await releaseFixture(repository, { version: '1.0.0', rootBytes: 3_000 })
  second = await releaseFixture(repository, {
    version: '1.1.0',
    rootBytes: 5_000,
    floor: first.document.counter + 1,
  })
  for (const { digest } of [first, second])
    for (const bundle of signStatement(statementAbout(digest, 'gateway', predicateType.signature, {}), [
      releaseKey,
    ]))
      await attachBundle(repository, digest, bundle, predicateType.signature)
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

const home = join(work, 'node')
const paths = {
  image: join(home, 'image'),
  localHooks: join(home, 'hooks'),
  state: join(home, 'state'),
  runtime: join(home, 'run'),
  disk: join(home, 'disk'),
  credentials: join(home, 'credentials'),
}
const disk = paths.disk
const state: NodeState = { revision: 0, order: { epoch: 1, number: 1 }, seenAt: 0 }

/** A node that runs the first release, confirmed, from slot a. */
async function freshNode(): Promise<void> {
  for (const path of [
    paths.image,
    paths.state,
    join(disk, 'a'),
    join(disk, 'b'),
    join(disk, diskPath.entries),
    join(disk, diskPath.kept),
    join(disk, diskPath.talk),
  ])
    mkdirSync(path, { recursive: true })
  const role = { threshold: 1, keys: [releaseKey.publicKey] }
  const trust = { apiVersion: 'ashlar/v1', kind: 'TrustRoot', version: 1, release: role, director: role }
  writeFileSync(join(paths.image, 'trust.json'), JSON.stringify(trust))
  writeFileSync(join(disk, diskPath.root('a')), first.root)
  // The launcher's answer to the one question that this random source leads to.
  writeFileSync(join(disk, diskPath.prepared), JSON.stringify({ question: '00'.repeat(8), is: 'prepared' }))
  await sealSlot(realSys.disk, disk, 'a', (await readRelease(repository, first.digest)).files)
  await putEntry(realSys.disk, disk, confirmedEntry(1, first.digest), { slot: 'a', release: first.digest })
}
afterEach(() => rmSync(home, { recursive: true, force: true }))

class Crash extends Error {}

/** The real disk, until the process "is killed" before its `after`-th change. */
function crashing(after: number): { readonly sys: Sys; readonly count: () => number } {
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
    run: async () => ({ exitCode: 0, stdout: new Uint8Array(), stderr: '' }),
  }
  const random: Sys['random'] = { bytes: (count) => new Uint8Array(count) }
  return {
    sys: { ...realSys, exec, random, disk: { ...real, ...guarded, open } as Sys['disk'] },
    count: () => done,
  }
}

function nodeOf(sys: Sys, slot: 'a' | 'b'): Node {
  const release = slot === 'a' ? first : second
  const facts = {
    node: 'node-1',
    slot,
    release: release.digest,
    root: digestOf(release.root),
    measuredBy: 'launcher' as const,
    install: slot === 'a' ? 1 : 2,
  }
  return {
    sys,
    paths,
    facts,
    slots: new FolderSlots(sys, disk),
    memory: new NodeMemory(sys, paths),
    architecture: 'amd64',
    agentVersion: '0',
    log: () => undefined,
  }
}

const assignment = (): Assignment => ({
  apiVersion: 'ashlar/v1',
  kind: 'Assignment',
  node: 'node-1',
  nodeKey: first.digest,
  order: { epoch: 1, number: 1 },
  release: second.digest,
  repository: 'gateway',
  issuedAt: 0,
  beginUntil: 1,
})

async function update(sys: Sys) {
  const node = nodeOf(sys, 'a')
  const known = await node.memory.read()
  const journal =
    known.work === undefined ? { ...state, work: { assignment: assignment(), begun: false } } : known
  return carryOut(
    { node, repository, now: 0, onPhase: () => undefined },
    journal,
    journal.work ?? { assignment: assignment(), begun: false },
  )
}

/** What would boot now, with the content that it would have. */
async function whatBoots() {
  const { entries, held } = await readDiskFolder(realSys.disk, disk)
  const entry = chooseEntry(entries)
  if (entry === undefined) throw new Error('nothing boots')
  expect(held[entry.slot]).toBe(entry.digest)
  const root = await realSys.disk.readFile(join(disk, diskPath.root(entry.slot)))
  return { release: entry.digest, root: digestOf(root), entries }
}

/** Runs `act` with a crash before its 1st, 2nd … change, until it gets through; says how many points that were. */
async function atEachChange(
  prepare: () => Promise<void>,
  act: (sys: Sys) => Promise<unknown>,
  check: () => Promise<void>,
): Promise<number> {
  for (let after = 0; ; after++) {
    await prepare()
    try {
      await act(crashing(after).sys)
      return after
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
    await check()
    rmSync(home, { recursive: true, force: true })
  }
}

describe('killed before each of its changes to the disk', () => {
  test('an update leaves a node that boots the old release or all of the new one, and goes on to the end', async () => {
    const points = await atEachChange(freshNode, update, async () => {
      const { release, root } = await whatBoots()
      const whole = release === first.digest ? first : second
      expect(root).toBe(digestOf(whole.root))
      // Started again, the agent gets there.
      expect((await update(crashing(Number.POSITIVE_INFINITY).sys)).is).toBe('rebooting')
      const after = await whatBoots()
      expect(after.release).toBe(second.digest)
      expect(after.root).toBe(digestOf(second.root))
      const states = slotsOf({
        entries: after.entries,
        held: { a: first.digest, b: second.digest },
        running: 1,
      })
      expect(states).toMatchObject({ a: { is: 'good' }, b: { is: 'trial', bootsLeft: 3 } })
    })
    expect(points).toBeGreaterThan(20)
  })

  test('a confirmation is done again to its end: blessed, floor raised, what is below it gone', async () => {
    const onTrial = async () => {
      await freshNode()
      await update(crashing(Number.POSITIVE_INFINITY).sys)
      const entry = chooseEntry((await readDiskFolder(realSys.disk, disk)).entries)
      if (entry === undefined) throw new Error('nothing to try')
      await renameEntry(realSys.disk, disk, entry, countDown(entry))
    }
    const points = await atEachChange(
      onTrial,
      (sys) => confirmBoot(nodeOf(sys, 'b')),
      async () => {
        // The second release runs and can boot again, whatever was done of it.
        expect((await whatBoots()).release).toBe(second.digest)
        const node = nodeOf(crashing(Number.POSITIVE_INFINITY).sys, 'b')
        await confirmBoot(node)
        const { entries, held } = await readDiskFolder(realSys.disk, disk)
        expect(entries.map(({ install, counter }) => [install, counter])).toEqual([[2, undefined]])
        expect(held).toEqual({ b: second.digest })
        expect(await node.memory.floor()).toBe(second.document.floor)
      },
    )
    expect(points).toBeGreaterThan(5)
  })
})
