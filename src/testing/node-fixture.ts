import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderSlots, type Node, NodeMemory, type NodePaths } from '../agent/index.ts'
import type { Assignment } from '../api/index.ts'
import { type Digest, predicateType, type SlotName, statementAbout } from '../core/index.ts'
import { confirmedEntry, diskPath, putEntry, type SealFiles, sealSlot, trialEntry } from '../disk/index.ts'
import { attachBundle, digestOf, openContentStore, type Repository, readRelease } from '../oci/index.ts'
import { generateKeyPair, loadPrivateKey, type PrivateKey, signStatement } from '../sign/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type ReleaseFixture, releaseFixture } from './release-fixture.ts'

/** The folders of a node, made and filled as its launcher and its agent would, with signed releases to choose from. */
export interface NodeFixture {
  readonly paths: NodePaths
  readonly repository: Repository
  /** 1.0.0: what a new node runs. */
  readonly first: ReleaseFixture
  /** 1.1.0: confirmed, it takes away what is below it. */
  readonly second: ReleaseFixture
  /** 1.0.5: some other release. */
  readonly other: ReleaseFixture
  /** A node as it is created: the first release in slot a, confirmed; slot b is empty. What was there is gone. */
  fresh(): Promise<void>
  /** A release whole in slot b, with a trial's entry of number 2. */
  tryInB(release: ReleaseFixture): Promise<void>
  /** The agent's view of the node after a boot from this slot. */
  node(sys: Sys, slot: SlotName, release: ReleaseFixture): Node
  order(release: ReleaseFixture, number?: number): Assignment
  remove(): void
}

export async function nodeFixture(): Promise<NodeFixture> {
  const work = mkdtempSync(join(tmpdir(), 'ashlar-node-'))
  const key = loadPrivateKey(generateKeyPair().privateKey)
  const repository = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  const make = (version: string, rootBytes: number, floor = 0) =>
    signedRelease(repository, key, { version, rootBytes, floor })
  const first = await make('1.0.0', 3_000)
  const second = await make('1.1.0', 5_000, first.document.counter + 1)
  const other = await make('1.0.5', 4_000)
  const home = join(work, 'node')
  const paths = {
    image: join(home, 'image'),
    localHooks: join(home, 'hooks'),
    state: join(home, 'state'),
    runtime: join(home, 'run'),
    disk: join(home, 'disk'),
    credentials: join(home, 'credentials'),
  }
  const files = new Map<Digest, SealFiles>()
  for (const { digest } of [first, second, other])
    files.set(digest, (await readRelease(repository, digest)).files)
  const fill = async (slot: SlotName, { digest, root }: ReleaseFixture) => {
    const seal = files.get(digest)
    if (seal === undefined) throw new Error(`no release of this fixture: ${digest}`)
    writeFileSync(join(paths.disk, diskPath.root(slot)), root)
    await sealSlot(realSys.disk, paths.disk, slot, seal)
  }
  return {
    paths,
    repository,
    first,
    second,
    other,
    async fresh() {
      rmSync(home, { recursive: true, force: true })
      const { entries, kept, talk } = diskPath
      const folders = ['a', 'b', entries, kept, talk].map((path) => join(paths.disk, path))
      for (const path of [paths.image, paths.state, ...folders]) mkdirSync(path, { recursive: true })
      writeFileSync(join(paths.image, 'trust.json'), trustIn(key))
      writeFileSync(join(paths.image, 'health.json'), '[]')
      // The launcher's answer to the one question that a source of zeros leads to.
      const answer = { question: '00'.repeat(8), is: 'prepared' }
      writeFileSync(join(paths.disk, diskPath.prepared), JSON.stringify(answer))
      await fill('a', first)
      const content = { slot: 'a', release: first.digest } as const
      await putEntry(realSys.disk, paths.disk, confirmedEntry(1, first.digest), content)
    },
    async tryInB(release) {
      await fill('b', release)
      const content = { slot: 'b', release: release.digest } as const
      await putEntry(realSys.disk, paths.disk, trialEntry(2, release.digest), content)
    },
    node: (sys, slot, release) => ({
      sys,
      paths,
      facts: {
        node: 'node-1',
        slot,
        release: release.digest,
        root: digestOf(release.root),
        measuredBy: 'launcher',
        install: slot === 'a' ? 1 : 2,
      },
      slots: new FolderSlots(sys, paths.disk),
      memory: new NodeMemory(sys, paths),
      architecture: 'amd64',
      agentVersion: '0',
      log: () => undefined,
    }),
    order: ({ digest }, number = 1) => ({
      apiVersion: 'ashlar/v1',
      kind: 'Assignment',
      node: 'node-1',
      nodeKey: first.digest,
      order: { epoch: 1, number },
      release: digest,
      repository: 'gateway',
      issuedAt: 0,
      beginUntil: 1,
    }),
    remove: () => rmSync(work, { recursive: true, force: true }),
  }
}

async function signedRelease(
  repository: Repository,
  key: PrivateKey,
  options: Parameters<typeof releaseFixture>[1],
): Promise<ReleaseFixture> {
  const release = await releaseFixture(repository, options)
  const statement = statementAbout(release.digest, 'gateway', predicateType.signature, {})
  for (const bundle of signStatement(statement, [key]))
    await attachBundle(repository, release.digest, bundle, predicateType.signature)
  return release
}

function trustIn(key: PrivateKey): string {
  const role = { threshold: 1, keys: [key.publicKey] }
  return JSON.stringify({
    apiVersion: 'ashlar/v1',
    kind: 'TrustRoot',
    version: 1,
    release: role,
    director: role,
  })
}
