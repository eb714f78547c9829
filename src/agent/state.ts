import { join } from 'node:path'
import { z } from 'zod'
import { assignmentSchema, type Order, type Outcome, orderSchema, outcomeSchema } from '../api/index.ts'
import { type Finding, isHigher, jsonOf, readTolerantly, slotNames } from '../core/index.ts'
import { diskPath, isDiskFull } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { diskFull } from './errors.ts'
import { readText } from './files.ts'
import type { NodePaths } from './node-files.ts'

/**
 * The assignment under way: the journal. It is written before the step that it names is begun, so that after a crash
 * the agent knows what may be half done. Every step can be done twice.
 */
const workSchema = z.strictObject({
  assignment: assignmentSchema,
  /** Its first step was taken in time: from then on it is no longer late. */
  begun: z.boolean(),
  /** Where the boot loader was, or is just being, told of the release; absent while it is fetched. */
  tried: z.strictObject({ slot: z.enum(slotNames), install: z.int().min(1) }).optional(),
})
export type Work = z.infer<typeof workSchema>

/** What counts in every version of the journal. */
const coreSchema = z.strictObject({
  revision: z.int().min(0),
  /** The highest order that was judged; nothing at or below it is begun again. */
  order: orderSchema,
  /** Milliseconds since 1970: the youngest time that a believed key has signed. */
  seenAt: z.int().min(0),
})
export type NodeState = z.infer<typeof coreSchema> & {
  readonly work?: Work | undefined
  readonly outcome?: Outcome | undefined
}

export interface JournalFault extends Finding {
  /** `journal-lost`: no copy is left. What was ordered before counts as never ordered, and the floor is that of the release that runs. */
  readonly code: 'journal-damaged' | 'journal-lost'
  readonly where: string
}

const floorSchema = z.strictObject({ floor: z.int().min(0) })

const fresh: NodeState = { revision: 0, order: { epoch: 0, number: 0 }, seenAt: 0 }

/**
 * What the node must not forget, kept twice: under `/var`, and on the disk's boot partition, so that a lost `/var`
 * does not make an old order or a release below the floor acceptable. The higher of the two counts.
 */
export class NodeMemory {
  readonly #sys: Sys
  readonly #folders: readonly [string, string]

  constructor(sys: Sys, paths: Pick<NodePaths, 'state' | 'disk'>) {
    this.#sys = sys
    this.#folders = [paths.state, join(paths.disk, diskPath.kept)]
  }

  async read(): Promise<NodeState> {
    const copies = await this.#copies('state.json', readState)
    const newest = copies.toSorted((a, b) => b.revision - a.revision)[0]
    if (newest === undefined) return fresh
    const order = copies.map((copy) => copy.order).reduce(higherOrder)
    return { ...newest, order, seenAt: Math.max(...copies.map((copy) => copy.seenAt)) }
  }

  async write(state: NodeState): Promise<NodeState> {
    const next = { ...state, revision: state.revision + 1 }
    await this.#keep('state.json', JSON.stringify(next))
    return next
  }

  async floor(): Promise<number> {
    const copies = await this.#copies('floor.json', readFloor)
    return Math.max(0, ...copies.map(({ floor }) => floor))
  }

  /** The floor only rises. */
  async raiseFloor(floor: number): Promise<number> {
    const known = await this.floor()
    if (floor > known) await this.#keep('floor.json', JSON.stringify({ floor }))
    return Math.max(floor, known)
  }

  /** Copies that are there and cannot be read, and whether another one holds what they held. */
  async faults(): Promise<readonly JournalFault[]> {
    const faults: JournalFault[] = []
    for (const [name, read] of [
      ['state.json', readState],
      ['floor.json', readFloor],
    ] as const) {
      const whole = (await this.#copies<unknown>(name, read)).length > 0
      for (const folder of this.#folders) {
        const where = join(folder, name)
        const text = await readText(this.#sys, where)
        if (text !== undefined && read(text) === undefined) faults.push(faultOf(where, whole))
      }
    }
    return faults
  }

  /** Sets damaged copies aside, and makes both whole again from what is left. Gives what was wrong. */
  async mend(): Promise<readonly JournalFault[]> {
    const faults = await this.faults()
    if (faults.length === 0) return faults
    const [state, floor] = [await this.read(), await this.floor()]
    for (const { where } of faults) await this.#sys.disk.rename(where, `${where}.damaged`)
    await this.write(state)
    await this.#keep('floor.json', JSON.stringify({ floor }))
    return faults
  }

  /** A small secret file, readable by root alone. */
  async secret(name: string): Promise<string | undefined> {
    for (const folder of this.#folders) {
      const text = await readText(this.#sys, join(folder, name))
      if (text !== undefined) return text
    }
    return undefined
  }

  keepSecret(name: string, text: string): Promise<void> {
    return this.#keep(name, text)
  }

  /**
   * Takes away what a kill left half written, the node's key among it: at once of the files that `agent run` alone writes;
   * health, confirmation and launcher may be writing theirs.
   */
  async removeLeftovers(): Promise<void> {
    const { disk } = this.#sys
    for (const folder of this.#folders) {
      await disk.removeUnfinished(folder, { of: ['identity.json', 'state.json'] })
      await disk.removeUnfinished(folder, { shared: true })
    }
  }

  async #copies<T>(name: string, read: (text: string) => T | undefined): Promise<readonly T[]> {
    const texts = await Promise.all(this.#folders.map((folder) => readText(this.#sys, join(folder, name))))
    // A copy that cannot be read is no copy: writes are whole or not at all, so it was damaged from outside.
    return texts
      .map((text) => (text === undefined ? undefined : read(text)))
      .filter((copy) => copy !== undefined)
  }

  async #keep(name: string, text: string): Promise<void> {
    for (const folder of this.#folders)
      try {
        await this.#sys.disk.mkdir(folder, { recursive: true, mode: 0o700 })
        await this.#sys.disk.writeDurably(join(folder, name), text, { mode: 0o600 })
      } catch (error) {
        if (!isDiskFull(error)) throw error
        throw diskFull('the disk is full: the journal cannot be written', folder, error)
      }
  }
}

export function higherOrder(a: Order, b: Order): Order {
  return isHigher(a, b) ? a : b
}

/**
 * A journal may be a newer agent's, whose release was left again. Its order counts in any case, or the release that was
 * just left would be ordered anew. Work whose assignment this agent does not wholly understand is none of its own.
 */
function readState(text: string): NodeState | undefined {
  const value = jsonOf(text)
  if (typeof value !== 'object' || value === null) return undefined
  const { work: begun, outcome: ended, ...rest } = value as Record<string, unknown>
  const core = readTolerantly(coreSchema, rest)
  if (!core.success) return undefined
  const { data: work } = workSchema.safeParse(begun)
  const { data: outcome } = readTolerantly(outcomeSchema, ended)
  return { ...core.data, ...(work && { work }), ...(outcome && { outcome }) }
}

function readFloor(text: string): { readonly floor: number } | undefined {
  return readTolerantly(floorSchema, jsonOf(text)).data
}

function faultOf(where: string, whole: boolean): JournalFault {
  return whole
    ? { code: 'journal-damaged', message: 'a copy of the journal was damaged; the other one counts', where }
    : { code: 'journal-lost', message: 'the journal was damaged, and there is no other copy of it', where }
}
