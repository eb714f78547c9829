import type { Lock, LockedPackage } from '../../core/index.ts'
import { packageLayersMax } from '../limits.ts'

/** All packages of one source change together: one thing to place. */
interface Source {
  readonly name: string
  /** Of its packages, compressed: what a node fetches. */
  readonly sizeBytes: number
  /** The chance that it changes from one lock to the next. */
  readonly change: number
}

/** Changes that Debian makes to its kernel in the life of a release: one with each point release, as many between. */
const kernelChanges = 40
/** A package that lies in the security archive has been changed for that reason, and will be again. */
const securityChanges = 4
/** Locks in the life of a release: every second week for three years. */
const locksInRelease = 78
const locksInYear = 26
/** What one layer more costs: a request, and names that stand in several layers. */
const layerCostBytes = 64 * 1024

/**
 * Distributes the packages of a lock over layers, by source, the rarely changed first, so that the bytes that are
 * expected to change from one lock to the next are fewest. `previous` is the lock before: what it placed stays where it
 * was, since a package that moves changes two layers.
 */
export function planLayers(
  packages: readonly LockedPackage[],
  previous?: Pick<Lock, 'layers' | 'packages'>,
): string[][] {
  const sources = sourcesOf(packages)
  if (previous === undefined) return named(partition(sources))
  const known = new Map(sources.map((source) => [source.name, source]))
  const moved = movedSources(previous.packages, packages)
  const layers = previous.layers
    .map((names) => ({
      sources: names.flatMap((name) => known.get(name) ?? []),
      changes: names.some((name) => moved.has(name)),
    }))
    .filter((layer) => layer.sources.length > 0)
  const placed = new Set(layers.flatMap((layer) => layer.sources))
  for (const source of sources) if (!placed.has(source)) place(source, layers)
  return named(layers.map((layer) => layer.sources))
}

/** Sources of which this lock has other packages than the one before. */
function movedSources(
  before: readonly LockedPackage[],
  after: readonly LockedPackage[],
): ReadonlySet<string> {
  const [old, fresh] = [before, after].map((packages) => new Set(packages.map(({ digest }) => digest)))
  const moved = [
    ...before.filter(({ digest }) => !fresh?.has(digest)),
    ...after.filter(({ digest }) => !old?.has(digest)),
  ]
  return new Set(moved.map(({ source }) => source))
}

function sourcesOf(packages: readonly LockedPackage[]): readonly Source[] {
  return [...Map.groupBy(packages, ({ source }) => source)]
    .map(([name, binaries]) => ({
      name,
      sizeBytes: binaries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      change: 1 - (1 - 1 / locksInRelease) ** Math.max(...binaries.map(changesOf)),
    }))
    .toSorted((a, b) => a.change - b.change || (a.name < b.name ? -1 : 1))
}

/** How often a package was changed since Debian released it: `+deb12u13` is the thirteenth time. */
function changesOf({ source, version, archive }: LockedPackage): number {
  if (/^linux(?:-|$)/.test(source)) return kernelChanges
  const updates = Number(/[+~]deb\d+u(\d+)/.exec(version)?.[1] ?? 0)
  return updates + (archive === 'debian-security' ? securityChanges : 0)
}

/** The bytes of a layer times the chance that one of its packages changes. */
function expectedBytes(layer: readonly Source[]): number {
  const unchanged = layer.reduce((product, { change }) => product * (1 - change), 1)
  return sizeOf(layer) * (1 - unchanged)
}

function sizeOf(layer: readonly Source[]): number {
  return layer.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/**
 * Cuts sources that are sorted by their chance of change into at most `packageLayersMax` runs whose expected bytes sum
 * up to the least; `best[n]` is the best cut of the first n.
 */
function partition(sources: readonly Source[]): readonly (readonly Source[])[] {
  type Cut = { readonly cost: number; readonly layers: readonly (readonly Source[])[] }
  let best: readonly Cut[] = sources.map((_, last) => cutOf([sources.slice(0, last + 1)]))
  for (let count = 2; count <= packageLayersMax; count++)
    best = best.map((fewer, last) =>
      best.slice(0, last).reduce((found: Cut, before, cut) => {
        const layer = sources.slice(cut + 1, last + 1)
        const cost = before.cost + costOf(layer)
        return cost < found.cost ? { cost, layers: [...before.layers, layer] } : found
      }, fewer),
    )
  return best.at(-1)?.layers ?? []
}

function cutOf(layers: readonly (readonly Source[])[]): {
  cost: number
  layers: readonly (readonly Source[])[]
} {
  return { cost: layers.reduce((sum, layer) => sum + costOf(layer), 0), layers }
}

function costOf(layer: readonly Source[]): number {
  return expectedBytes(layer) + layerCostBytes
}

interface KeptLayer {
  readonly sources: Source[]
  /** Whether it is another one than before in any case. */
  changes: boolean
}

/**
 * Puts a new source where it costs the fewest bytes: those of a layer that would have stayed as it was, now, and those
 * that it adds to what is expected to change, over the locks of a year.
 */
function place(source: Source, layers: KeptLayer[]): void {
  const fresh: readonly KeptLayer[] = layers.length < packageLayersMax ? [{ sources: [], changes: true }] : []
  const costs = [...layers, ...fresh].map((layer) => ({ layer, cost: placeCost(source, layer) }))
  const [first] = costs.toSorted((a, b) => a.cost - b.cost)
  if (first === undefined) return
  if (first.layer.sources.length === 0) layers.push(first.layer)
  first.layer.sources.push(source)
  first.layer.changes = true
}

function placeCost(source: Source, { sources, changes }: KeptLayer): number {
  const now = sources.length === 0 ? layerCostBytes : changes ? 0 : sizeOf(sources)
  return now + locksInYear * (expectedBytes([...sources, source]) - expectedBytes(sources))
}

function named(layers: readonly (readonly Source[])[]): string[][] {
  return layers.map((layer) => layer.map(({ name }) => name).toSorted())
}
