import { zstdCompressSync } from 'node:zlib'
import { readChecks } from '../../../src/agent/health.ts'
import {
  AgentError,
  FolderSlots,
  NodeMemory,
  nodeIdentity,
  openServerLink,
} from '../../../src/agent/index.ts'
import { readBootFacts } from '../../../src/agent/node-files.ts'
import {
  type BlobSource,
  blockBytes,
  DiskError,
  diskPath,
  HeldBlocks,
  hashBytes,
  hashesOf,
  parseEntryName,
  planUpdate,
  printEntryName,
  printSeekTable,
  readDiskFolder,
  readFrameTable,
  readHashTree,
  slotsOf,
  unpackFrames,
} from '../../../src/disk/index.ts'
import { createNodeKey, IdentityError } from '../../../src/identity/index.ts'
import { MachineError } from '../../../src/machines/index.ts'
import { followTalk } from '../../../src/machines/launcher/talk.ts'
import { readLauncherState, readMachine } from '../../../src/machines/machine-folder.ts'
import { digestOf } from '../../../src/oci/index.ts'
import { realSys, type Sys } from '../../../src/sys/index.ts'
import { type FuzzTarget, promise, RefusedByFindings, textOf } from '../target.ts'
import { digest } from './core.ts'
import { assignment, assignmentEnvelope } from './proof.ts'

/** A world in which every file has this content, and every server gives this answer. */
function worldOf(content: Uint8Array, status = 200): Sys {
  const readFile = async (_: unknown, encoding?: unknown) =>
    encoding === undefined ? content : textOf(content)
  const lstat = async () => ({ isDirectory: () => true })
  const readdir = async () => ['2-abababababab+3.efi', '1-abababababab.efi', textOf(content).slice(0, 100)]
  const body = (async function* () {
    yield content
  })()
  const written = { writeDurably: async () => undefined, mkdir: async () => undefined }
  const files = { readFile, lstat, readdir, ...written } as unknown as Partial<Sys['disk']>
  let now = 0
  const clock = {
    now: () => 1_700_000_000_000,
    monotonicMs: () => (now += 10_000),
    sleep: async () => undefined,
  }
  const disk = { ...realSys.disk, ...files }
  const random = { bytes: (count: number) => new Uint8Array(count) }
  return {
    ...realSys,
    disk,
    clock,
    random,
    net: { ...realSys.net, request: async () => ({ status, headers: {}, body }) },
  }
}

const paths = {
  ...{ image: '/image', localHooks: '/hooks', state: '/state', runtime: '/run', disk: '/disk' },
  credentials: '/credentials',
}
const order = { epoch: 1, number: 7 }
const { privateKey, publicKey } = createNodeKey()
const identity = { node: 'edge-1', server: 'http://127.0.0.1:7443', privateKey, publicKey, enrolled: true }

const state = {
  ...{ revision: 3, order, seenAt: 1_700_000_000_000 },
  work: { assignment, begun: true, tried: { slot: 'b', install: 2 } },
  outcome: { order, release: digest, is: 'failed', reason: { code: 'x', message: 'y' } },
}
const facts = { node: 'edge-1', slot: 'a', release: digest, root: digest, measuredBy: 'launcher', install: 1 }
const checks = [
  { name: 'web', http: 'http://localhost/', within: '30s' },
  { name: 'run', exec: ['/bin/true'] },
]
const machine = {
  ...{
    name: 'edge-1',
    repository: 'gateway',
    uuid: '7e57f00d-0000-4000-8000-000000000001',
    bridge: 'ashlar0',
  },
  ...{ address: '10.97.0.2', gateway: '10.97.0.1', watchdogSeconds: 900 },
}
const launcher = {
  ...{ phase: 'running', pid: 7, startTime: '123', boots: 2, lastOutageSeconds: 1.5 },
  running: { slot: 'a', release: digest, install: 1, complete: true },
  lastCheck: { seconds: 1, before: 'boot' },
}

/** A reader whose answer to what it cannot read is a value, not an error. */
function fileTarget(name: string, seed: unknown, read: (sys: Sys) => Promise<unknown>): FuzzTarget {
  return {
    ...{ name, form: 'json', seeds: [JSON.stringify(seed)], words: ['a', 'b', digest] },
    refuses: [AgentError, MachineError, RefusedByFindings],
    async read(bytes) {
      const value = await read(worldOf(bytes))
      if (value === undefined) throw new RefusedByFindings()
    },
  }
}

const contents = [Buffer.alloc(5_000, 'ab'), Buffer.from('the end')]
const packed = contents.map((content) => zstdCompressSync(content))
const table = printSeekTable(
  packed.map(({ length }, index) => ({ packedBytes: length, contentBytes: contents[index]?.length ?? 0 })),
)

const image = Buffer.alloc(3 * blockBytes, 'image')
const leaves = hashesOf(image)
const halves = [image.subarray(0, blockBytes), image.subarray(blockBytes)]
const seekable = Buffer.concat([
  ...halves.map((content) => zstdCompressSync(content)),
  printSeekTable(
    halves.map((content) => ({
      packedBytes: zstdCompressSync(content).length,
      contentBytes: content.length,
    })),
  ),
])

/** As a download brings it, in pieces. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 900) yield bytes.subarray(at, at + 900)
}

/** A registry whose blob is whatever it likes. */
const sourceOf = (bytes: Uint8Array): BlobSource => ({
  readFrom: (_, from, to) => pieces(bytes.subarray(from, to)),
})

export const nodeTargets: readonly FuzzTarget[] = [
  {
    name: 'frames',
    form: 'bytes',
    seeds: [Buffer.concat([...packed, table])],
    refuses: [DiskError],
    async read(bytes) {
      for await (const content of unpackFrames(pieces(bytes)))
        promise(content.length <= 512 * 1024, 'a frame of more content than a frame may have')
    },
  },
  {
    name: 'frame-table',
    form: 'bytes',
    seeds: [Buffer.concat([...packed, table])],
    refuses: [RefusedByFindings],
    async read(bytes) {
      const frames = await readFrameTable(
        sourceOf(bytes),
        { digest: digestOf(bytes), size: bytes.length },
        bytes.length,
      )
      if (frames === undefined) throw new RefusedByFindings()
      const packedBytes = frames.reduce((sum, frame) => sum + frame.packedBytes, 0)
      promise(packedBytes < bytes.length, 'frames of more than the blob')
    },
  },
  {
    name: 'hash-tree',
    form: 'bytes',
    seeds: [Buffer.concat([...packed, table])],
    refuses: [DiskError],
    async read(bytes) {
      const content = { digest: digestOf(Buffer.concat(contents)), sizeBytes: 5_007 }
      const tree = await readHashTree(
        sourceOf(bytes),
        { digest: digestOf(bytes), size: bytes.length },
        content,
      )
      promise(digestOf(tree) === content.digest, 'another tree than was signed')
    },
  },
  {
    name: 'update-plan',
    form: 'bytes',
    seeds: [seekable],
    refuses: [RefusedByFindings],
    async read(bytes) {
      const blob = { digest: digestOf(bytes), size: bytes.length }
      const frames = await readFrameTable(sourceOf(bytes), blob, image.length)
      const plan = frames && planUpdate(frames, leaves, new HeldBlocks(leaves.subarray(0, 2 * hashBytes)))
      if (plan === undefined) throw new RefusedByFindings()
      const contentBytes = plan.reduce((sum, frame) => sum + frame.contentBytes, 0)
      promise(contentBytes === image.length, 'a plan for another image')
      for (const { held = [], offset, packedBytes } of plan) {
        promise(offset + packedBytes <= bytes.length, 'a part that lies beyond the blob')
        promise(
          held.every((block) => block < 2),
          'a block that is not there',
        )
      }
    },
  },
  {
    name: 'node-question',
    form: 'json',
    seeds: [JSON.stringify({ question: '00'.repeat(8), install: 2 })],
    words: ['question', 'install', '1e999', '-1'],
    refuses: [],
    async read(bytes) {
      const said: unknown[] = []
      const asked = new AbortController()
      async function* watch() {
        for (const path of [diskPath.prepare, diskPath.bootComplete])
          yield { eventType: 'rename' as const, filename: path.slice(diskPath.talk.length + 1) }
      }
      const writeDurably = async (_: string, text: string) => void said.push(JSON.parse(text))
      const { disk, ...world } = worldOf(bytes)
      const files = { ...disk, watch, writeDurably, rm: async () => undefined } as unknown as Sys['disk']
      const check = (install: number) => promise(typeof install === 'number', 'a number that is none')
      await followTalk({ ...world, disk: files }, '/disk', asked.signal, {
        prepare: async (install) => {
          check(install)
          return undefined
        },
        bootComplete: async (install) => check(install),
      })
      for (const answer of said)
        promise(
          typeof (answer as { readonly question?: unknown }).question === 'string',
          'an answer without its question',
        )
    },
  },
  {
    ...fileTarget('node-identity', identity, (sys) => nodeIdentity(sys, paths, new NodeMemory(sys, paths))),
    refuses: [AgentError, IdentityError],
  },
  fileTarget('agent-state', state, async (sys) => {
    const memory = new NodeMemory(sys, paths)
    const { revision } = await memory.read()
    promise(Number.isSafeInteger(await memory.floor()), 'a floor that is no number')
    return revision === 0 ? undefined : revision
  }),
  fileTarget('boot-facts', facts, (sys) => readBootFacts(sys, paths)),
  fileTarget('health-checks', checks, (sys) => readChecks(sys, paths)),
  fileTarget('assignment-answer', { order, envelope: assignmentEnvelope }, (sys) =>
    openServerLink(sys, identity).assignment(order, 1),
  ),
  fileTarget(
    'launcher-answer',
    { question: '00'.repeat(8), is: 'refused', reason: { code: 'a', message: 'b' } },
    (sys) => new FolderSlots(sys, paths.disk).prepare(2),
  ),
  fileTarget('machine', machine, (sys) => readMachine(sys, '/machines', 'edge-1')),
  fileTarget('launcher-state', launcher, (sys) => readLauncherState(sys, '/launcher.json')),
  {
    name: 'boot-entries',
    form: 'json',
    seeds: [
      JSON.stringify({ slot: 'a', release: digest, code: 'x', message: 'y', lastLines: ['z'], exitCode: 1 }),
    ],
    refuses: [RefusedByFindings],
    async read(bytes) {
      const { entries, held } = await readDiskFolder(worldOf(bytes).disk, '/disk')
      slotsOf({ entries, held })
      if (entries.length === 0) throw new RefusedByFindings()
      for (const { why } of entries)
        promise(
          why === undefined || (typeof why.code === 'string' && typeof why.message === 'string'),
          'no reason',
        )
    },
  },
  {
    name: 'entry-name',
    form: 'text',
    seeds: ['12-abababababab+3-1.efi', '1-abababababab.efi', '2-abababababab+0-3.efi'],
    words: ['+', '-', '.efi', '0', '00'],
    refuses: [RefusedByFindings],
    read(bytes) {
      const entry = parseEntryName(textOf(bytes))
      if (entry === undefined) throw new RefusedByFindings()
      promise(printEntryName(entry) === textOf(bytes), 'accepts a name that it would not write')
      promise(!diskPath.entry(printEntryName(entry)).includes('..'), 'a name that leads away')
    },
  },
]
