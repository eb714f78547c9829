import type { Package } from './facts.ts'

/** `a (>= 1) | b [amd64], c` → `[['a', 'b'], ['c']]` */
export function alternativesOf(field: string): readonly (readonly string[])[] {
  return field
    .split(',')
    .map((group) => group.split('|').flatMap((one) => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(one)?.[1] ?? []))
    .filter((group) => group.length > 0)
}

/** What brings what, among these packages. It says only what is certain: the first choice of a dependency, by its own name. */
export class Dependencies {
  readonly #packages: ReadonlyMap<string, Package>
  readonly #brings = new Map<string, readonly string[]>()
  /** Name → packages that are it or provide it. */
  readonly #givers = new Map<string, string[]>()

  constructor(packages: ReadonlyMap<string, Package>) {
    this.#packages = packages
    for (const [name, one] of packages) {
      const first = alternativesOf(one.depends).flatMap(([choice = '']) =>
        packages.has(choice) ? [choice] : [],
      )
      this.#brings.set(name, first)
      for (const provided of [name, ...alternativesOf(one.provides).flat()])
        this.#givers.set(provided, [...(this.#givers.get(provided) ?? []), name])
    }
  }

  /** These packages and all that they bring for certain. */
  closure(roots: Iterable<string>): ReadonlySet<string> {
    const reached = new Set<string>()
    const waiting = [...roots]
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (reached.has(name) || !this.#packages.has(name)) continue
      reached.add(name)
      waiting.push(...(this.#brings.get(name) ?? []))
    }
    return reached
  }

  /** Packages that meet a dependency or recommendation of `image` there, and that nothing in it does. */
  wanted(image: ReadonlySet<string>): readonly string[] {
    const wanted: string[] = []
    for (const name of image) {
      const one = this.#packages.get(name)
      const groups = one === undefined ? [] : alternativesOf(`${one.depends},${one.recommends}`)
      for (const group of groups) {
        const givers = group.flatMap((choice) => this.#givers.get(choice) ?? [])
        if (givers.length > 0 && !givers.some((giver) => image.has(giver))) wanted.push(givers[0] ?? '')
      }
    }
    return wanted
  }
}
