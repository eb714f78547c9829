import type { Fleet, Node, Wave } from '../api/index.ts'

/** The nodes that a fleet's selector picks, in the order in which a rollout takes them: by name. */
export function membersOf(fleet: Fleet, nodes: readonly Node[]): readonly Node[] {
  return nodes.filter((node) => isMember(fleet, node)).toSorted(byName)
}

export function isMember(fleet: Fleet, node: Node): boolean {
  return Object.entries(fleet.spec.nodes.matchLabels).every(
    ([label, value]) => node.metadata.labels[label] === value,
  )
}

/**
 * How many nodes have been reached when each wave is done. A percentage is rounded down, but is one node at least;
 * the last wave is everything; a wave that would reach nobody new is left out.
 */
export function waveEnds(waves: readonly Wave[], total: number): readonly number[] {
  const ends: number[] = []
  for (const [index, wave] of waves.entries()) {
    const wanted = 'count' in wave ? wave.count : Math.max(1, Math.floor((total * wave.percent) / 100))
    const end = index === waves.length - 1 ? total : Math.min(wanted, total)
    if (end > (ends.at(-1) ?? 0)) ends.push(end)
  }
  return ends
}

function byName(a: Node, b: Node): number {
  return a.metadata.name < b.metadata.name ? -1 : 1
}
