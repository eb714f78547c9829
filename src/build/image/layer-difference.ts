import { blockBytes } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { type ImageLayer, readRange } from './image-file.ts'
import type { LayerEntry } from './layer-tar.ts'

/** One path that two builds made differently. */
export interface Difference {
  readonly path: string
  /** `content`, `time`, `mode`, `owner`, `kind`, `target`, `attributes`, or that only one of them has it. */
  readonly what: string
  /** Why, where that is known. */
  readonly reason?: string
}

/** What differs between two builds of a layer. */
export async function differencesOf(
  sys: Sys,
  first: ImageLayer,
  second: ImageLayer,
): Promise<readonly Difference[]> {
  const others = new Map(second.entries.map((entry) => [entry.path, entry]))
  const found: Difference[] = []
  for (const entry of first.entries) {
    const other = others.get(entry.path)
    others.delete(entry.path)
    const difference =
      other === undefined
        ? { what: 'only the first build has it' }
        : (attributesDiffer(entry, other) ?? (await contentsDiffer(sys, [first, entry], [second, other])))
    if (difference !== undefined) found.push({ path: `/${entry.path}`, ...difference })
  }
  for (const path of others.keys()) found.push({ path: `/${path}`, what: 'only the second build has it' })
  return found
}

function attributesDiffer(one: LayerEntry, other: LayerEntry): Omit<Difference, 'path'> | undefined {
  const differs = (...fields: readonly (keyof LayerEntry)[]) =>
    fields.some((field) => JSON.stringify(one[field]) !== JSON.stringify(other[field]))
  if (differs('kind')) return { what: 'kind' }
  if (differs('mode')) return { what: 'mode', reason: 'the umask of the build reached it' }
  if (differs('uid', 'gid'))
    return {
      what: 'owner',
      reason: 'a package makes its user without a fixed number: add the user to spec.users',
    }
  if (differs('target')) return { what: 'target' }
  if (differs('attributes')) return { what: 'attributes' }
  if (differs('mtime')) return { what: 'time', reason: 'a package’s script gave it a time of its own' }
  return undefined
}

type File = readonly [layer: ImageLayer, entry: LayerEntry]

async function contentsDiffer(
  sys: Sys,
  one: File,
  other: File,
): Promise<Omit<Difference, 'path'> | undefined> {
  const [first, second] = await Promise.all([one, other].map((file) => contentOf(sys, file)))
  if (first === undefined || second === undefined || first.equals(second)) return undefined
  const reason = reasons.find(({ holds }) => holds(first, second))?.reason
  return { what: 'content', ...(reason !== undefined && { reason }) }
}

function contentOf(sys: Sys, [{ contents }, { sizeBytes, block }]: File): Promise<Buffer> {
  return readRange(sys, contents, block * blockBytes, sizeBytes)
}

interface KnownReason {
  readonly reason: string
  readonly holds: (one: Buffer, other: Buffer) => boolean
}

const linesOf = (content: Buffer) => content.toString('latin1').split('\n')
const both = (pattern: RegExp) => (one: Buffer, other: Buffer) =>
  pattern.test(one.toString('latin1')) && pattern.test(other.toString('latin1'))
/** The text with every number taken out: what is left of two dates is equal. */
const withoutNumbers = (content: Buffer) => content.toString('latin1').replace(/[0-9a-f]*\d[0-9a-f]*/gi, '#')

const gzipMagic = Buffer.from([0x1f, 0x8b])

/** The first that holds is told. */
const reasons: readonly KnownReason[] = [
  { reason: 'a key that is made when the package is installed', holds: both(/PRIVATE KEY-----|^ssh-\w+ /) },
  {
    // RFC 1952, 2.3.1: bytes 4 to 8 are the time.
    reason: 'gzip wrote the time into it',
    holds: (one, other) => one.subarray(0, 2).equals(gzipMagic) && one.subarray(8).equals(other.subarray(8)),
  },
  {
    reason: 'the same lines in another order',
    holds: (one, other) => linesOf(one).toSorted().join() === linesOf(other).toSorted().join(),
  },
  {
    reason: 'a time or another number of this build stands in it',
    holds: (one, other) => withoutNumbers(one) === withoutNumbers(other),
  },
]
