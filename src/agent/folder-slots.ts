import { join } from 'node:path'
import { z } from 'zod'
import { reasonSchema } from '../api/index.ts'
import { type Digest, jsonOf, type Reason, type ReleaseDocument, type SlotName } from '../core/index.ts'
import {
  type BootEntry,
  bless,
  condemn,
  type DiskFolder,
  diskPath,
  isDiskFault,
  putEntry,
  readDiskFolder,
  readSeal,
  removeEntry,
  renameEntry,
  type SealFiles,
  sealSlot,
  whenThere,
} from '../disk/index.ts'
import { digestOf, OciError, readReleaseFiles } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { AgentError } from './errors.ts'
import { readFrom, readText } from './files.ts'
import { prepareMs } from './limits.ts'
import type { Prepared, SlotStore } from './slot-store.ts'

/** The slots of a machine whose disk is a folder and whose boot loader is the nspawn launcher. */
export class FolderSlots implements SlotStore {
  readonly #sys: Sys
  readonly #root: string

  constructor(sys: Sys, root: string) {
    this.#sys = sys
    this.#root = root
  }

  read(): Promise<DiskFolder> {
    return readDiskFolder(this.#sys.disk, this.#root)
  }

  async removeLeftovers(): Promise<void> {
    for (const path of [diskPath.entries, diskPath.talk])
      await this.#sys.disk.removeUnfinished(this.#path(path), { shared: true })
  }

  async document(slot: SlotName): Promise<ReleaseDocument | undefined> {
    try {
      const files = await readSeal(this.#sys.disk, this.#root, slot)
      return files === undefined ? undefined : readReleaseFiles(files, digestOf(files.index))
    } catch (error) {
      if (error instanceof OciError || isDiskFault(error)) return undefined
      throw error
    }
  }

  async roomBytes(slot: SlotName): Promise<number> {
    const { bavail, bsize } = await this.#sys.disk.statfs(join(this.#root, slot))
    const old = await whenThere(this.#sys.disk.stat(this.#path(diskPath.root(slot))))
    return bavail * bsize + (old === undefined ? 0 : old.blocks * 512)
  }

  async clear(slot: SlotName): Promise<void> {
    const { disk } = this.#sys
    const { entries } = await this.read()
    for (const entry of entries) if (entry.slot === slot) await removeEntry(disk, this.#root, entry)
    await disk.rm(this.#path(diskPath.release(slot)), { recursive: true, force: true })
    await disk.syncFolder(join(this.#root, slot))
    await disk.rm(this.#path(diskPath.root(slot)), { recursive: true, force: true })
  }

  async writeRoot(slot: SlotName, content: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await this.#sys.disk.open(this.#path(diskPath.root(slot)), 'w', 0o644)
    try {
      for await (const chunk of content) await writeAll(file, chunk)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  readRoot(slot: SlotName): AsyncIterable<Uint8Array> {
    return readFrom(this.#sys, this.#path(diskPath.root(slot)))
  }

  async readRange(slot: SlotName, from: number, sizeBytes: number): Promise<Uint8Array> {
    const file = await this.#sys.disk.open(this.#path(diskPath.root(slot)), 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, from)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  seal(slot: SlotName, files: SealFiles): Promise<void> {
    return sealSlot(this.#sys.disk, this.#root, slot, files)
  }

  async commit(slot: SlotName, release: Digest, entry: BootEntry): Promise<void> {
    const { entries } = await this.read()
    await putEntry(this.#sys.disk, this.#root, entry, { slot, release })
    for (const old of entries)
      if (old.slot === slot && old.install !== entry.install)
        await removeEntry(this.#sys.disk, this.#root, old)
  }

  async bless(install: number): Promise<void> {
    const entry = await this.#entry(install)
    await renameEntry(this.#sys.disk, this.#root, entry, bless(entry))
  }

  async markBad(install: number, why: Reason): Promise<void> {
    const entry = await this.#entry(install)
    await condemn(this.#sys.disk, this.#root, entry, why)
  }

  /** Asks the launcher, and waits for its answer to this very question. */
  async prepare(install: number): Promise<Prepared> {
    const { disk, clock, random } = this.#sys
    const question = Buffer.from(random.bytes(8)).toString('hex')
    await disk.mkdir(this.#path(diskPath.talk), { recursive: true })
    await disk.writeDurably(this.#path(diskPath.prepare), JSON.stringify({ question, install }))
    const until = clock.monotonicMs() + prepareMs
    while (clock.monotonicMs() < until) {
      const answer = answerTo(question, await readText(this.#sys, this.#path(diskPath.prepared)))
      if (answer !== undefined) return answer
      await clock.sleep(20)
    }
    // The launcher checks before the boot in any case; the outage is longer then, and nothing is less safe.
    return { is: 'prepared' }
  }

  async bootCompleted(install: number): Promise<void> {
    await this.#sys.disk.mkdir(this.#path(diskPath.talk), { recursive: true })
    await this.#sys.disk.writeDurably(this.#path(diskPath.bootComplete), JSON.stringify({ install }))
  }

  async #entry(install: number) {
    const { entries } = await this.read()
    const entry = entries.find((candidate) => candidate.install === install)
    if (entry !== undefined) return entry
    throw new AgentError('disk-malformed', `there is no boot entry number ${install}`, { where: this.#root })
  }

  #path(relative: string): string {
    return join(this.#root, relative)
  }
}

const answerSchema = z.object({ question: z.string(), reason: reasonSchema.optional() })

/** What cannot be read, or answers an earlier question, is no answer. */
function answerTo(question: string, text: string | undefined): Prepared | undefined {
  const { data: answer } = answerSchema.safeParse(jsonOf(text ?? ''))
  if (answer?.question !== question) return undefined
  return answer.reason === undefined ? { is: 'prepared' } : { is: 'refused', reason: answer.reason }
}

async function writeAll(
  file: { write(bytes: Uint8Array): Promise<{ bytesWritten: number }> },
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}
