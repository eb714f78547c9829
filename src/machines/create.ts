import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Architecture, Progress } from '../core/index.ts'
import { confirmedEntry, diskPath, putEntry, sealSlot, unpackFrames } from '../disk/index.ts'
import { type OciRelease, type Repository, verifying } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { noteMaker, removeLeftovers, requireNobodyMakes } from './leftovers.ts'
import {
  type Machine,
  machineNames,
  machinePaths,
  machineSchema,
  readableMachines,
} from './machine-folder.ts'
import { defaultNetwork, ensureBridge, freeAddress, gatewayOf, type MachineNetwork } from './network.ts'

export interface CreateOptions {
  readonly sys: Sys
  /** `ASHLAR_DATA/machines` */
  readonly folder: string
  readonly name: string
  /** Where the release's blobs are: read once, now. */
  readonly repository: Repository
  /** The machine's first release. The caller has judged its signatures: nothing on a new machine could. */
  readonly release: OciRelease
  readonly architecture: Architecture
  readonly network?: MachineNetwork
  /** Lets the machine enrol itself at a server. */
  readonly enrolmentToken?: string
  /** See {@link Machine}. */
  readonly watchdogSeconds?: number
  readonly progress: Progress
  /** Aborts: what was half made is taken away again. */
  readonly signal?: AbortSignal
}

/**
 * Makes a machine: slot a holds the release, confirmed; slot b is empty. It is not started. What is half made is not a
 * machine: `machine.json` comes last. @throws MachineError `machine-exists`, `name-invalid`, `release-unfit`, `network-full`
 */
export async function createMachine(options: CreateOptions): Promise<Machine> {
  const { sys, folder, name } = options
  await removeLeftovers(sys, folder)
  const machine = await describe(options)
  await requireNobodyMakes(sys, folder, name)
  const paths = machinePaths(folder, name)
  await sys.disk.mkdir(paths.home, { recursive: true })
  try {
    await noteMaker(sys, paths.maker)
    await fillHome(options, paths, machine)
    await sys.disk.rm(paths.maker)
  } catch (error) {
    // A disk that it filled is given back what it took.
    await sys.disk.rm(paths.home, { recursive: true, force: true })
    throw error
  }
  await ensureBridge(sys, machine)
  return machine
}

async function fillHome(
  options: CreateOptions,
  paths: ReturnType<typeof machinePaths>,
  machine: Machine,
): Promise<void> {
  const { sys } = options
  for (const path of [join(paths.disk, 'a'), join(paths.disk, 'b'), paths.var, paths.mount])
    await sys.disk.mkdir(path, { recursive: true })
  for (const path of [diskPath.entries, diskPath.kept, diskPath.talk])
    await sys.disk.mkdir(join(paths.disk, path), { recursive: true })
  await fillSlot(options, paths.disk)
  if (options.enrolmentToken !== undefined)
    await sys.disk.writeDurably(paths.enrolment, options.enrolmentToken, { mode: 0o600 })
  await sys.disk.writeDurably(paths.machine, `${JSON.stringify(machine, null, 2)}\n`)
}

async function describe({
  sys,
  folder,
  name,
  repository,
  network = defaultNetwork,
  watchdogSeconds,
}: CreateOptions): Promise<Machine> {
  const names = await machineNames(sys, folder)
  if (names.includes(name))
    throw new MachineError('machine-exists', `there is a machine ${name} already`, {
      where: folder,
      hint: `choose another name, or remove it with ashlar machine rm ${name}`,
    })
  const others = await readableMachines(sys, folder)
  const machine = machineSchema.safeParse({
    name,
    repository: repository.name,
    uuid: uuidOf(sys.random.bytes(16)),
    bridge: network.bridge,
    address: freeAddress(
      network,
      others.map(({ address }) => address),
    ),
    gateway: gatewayOf(network),
    watchdogSeconds,
  })
  if (machine.success) return machine.data
  throw new MachineError('name-invalid', `${JSON.stringify(name)} is no name for a machine`, {
    hint: 'use at most 41 lower-case letters, digits and dashes',
  })
}

async function fillSlot(
  { sys, repository, release, architecture, progress, signal }: CreateOptions,
  disk: string,
): Promise<void> {
  const form = release.document.disks[architecture]
  const blobs = release.disk(architecture)
  if (form === undefined || blobs === undefined)
    throw new MachineError('release-unfit', `the release has no disk form for ${architecture}`, {
      where: release.digest,
      hint: 'only a release of form: system, built for this architecture, can be a machine',
    })
  const { root } = blobs
  let done = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of repository.blobs.read(root.digest)) {
      signal?.throwIfAborted()
      done += chunk.length
      progress({ step: 'write root image', done, total: root.size, unit: 'bytes' })
      yield chunk
    }
  }
  const file = await sys.disk.open(join(disk, diskPath.root('a')), 'w', 0o644)
  try {
    await pipeline(Readable.from(counted()), unpackFrames, async (plain: AsyncIterable<Uint8Array>) => {
      for await (const chunk of verifying(plain, form.root, release.digest)) await file.writeFile(chunk)
    })
    await file.sync()
  } finally {
    await file.close()
  }
  await sealSlot(sys.disk, disk, 'a', release.files)
  await putEntry(sys.disk, disk, confirmedEntry(1, release.digest), { slot: 'a', release: release.digest })
}

/** RFC 9562, version 4. */
function uuidOf(bytes: Uint8Array): string {
  const hex = [...bytes]
    .map((byte, index) => (index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte))
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
