import type { Finding } from '../core/index.ts'
import type { Facts } from './facts.ts'

export interface ServicePlan {
  /** Units that somebody enabled there and that the image has. */
  readonly services: readonly string[]
  /** Links to `/dev/null` that keep off what packages of the image would start: path → target. */
  readonly masks: ReadonlyMap<string, string>
  /** Whether the image has a unit. */
  readonly has: (unit: string) => boolean
  readonly findings: readonly Finding[]
}

const folder = '/etc/systemd/system/'
const wants = /^(?:[^/]+\.(?:wants|requires|upholds))\/([^/]+)$/
/** As a definition has it: a unit whose name is escaped is one of a device or path of that machine. */
const fitUnit = /^[A-Za-z0-9@:._-]+$/
const ownUnits = /^\/etc\/systemd\/system\/([^/]+)$/
const packageUnits = /^\/usr\/lib\/systemd\/system\/([^/]+)$/

/** What Debian's installer and systemd's own package enable without leaving a note of it. */
const enabledAnyway = new Set([
  'getty@tty1.service',
  'remote-fs.target',
  'systemd-pstore.service',
  'systemd-timesyncd.service',
])

/** `carried` are the paths of files that go into the image: a unit of somebody's own is among them. */
export function planServices(
  facts: Facts,
  image: ReadonlySet<string>,
  carried: ReadonlySet<string>,
): ServicePlan {
  const findings: Finding[] = []
  const own = [...carried].flatMap((path) => ownUnits.exec(path)?.[1] ?? [])
  const known = new Set([...own, ...unitsOfImage(facts, image)])
  const has = (unit: string) => known.has(unit) || known.has(unit.replace(/@[^.]*\./, '@.'))
  const links = [...facts.entries.values()].filter(
    ({ kind, path }) => kind === 'l' && path.startsWith(folder),
  )
  const enabled = new Set<string>()
  for (const { path } of links) {
    const relative = path.slice(folder.length)
    const unit = wants.exec(relative)?.[1]
    if (unit === undefined || facts.enabledByPackages.has(relative)) continue
    if (!has(unit) || !fitUnit.test(unit)) {
      findings.push({
        code: 'service-lost',
        message: `${unit} was enabled; the image has no such unit`,
        where: path,
        hint: 'the package that brings it stays behind, see there',
      })
    } else if (!enabledAnyway.has(unit)) enabled.add(unit)
  }
  const { masks, left } = turnedOff(facts, has, new Set(links.map(({ path }) => path.slice(folder.length))))
  findings.push(...left)
  const services = [...enabled].toSorted()
  return { services, masks, has, findings }
}

/** Its package leaves it off by itself, then and in the build. */
function isOffByPreset({ presets }: Facts, unit: string): boolean {
  return presets.find(({ pattern }) => matchesGlob(unit, pattern))?.verb === 'disable'
}

/** fnmatch(3) without brackets, which no preset of Debian has. */
function matchesGlob(name: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name)
}

function unitsOfImage(facts: Facts, image: ReadonlySet<string>): readonly string[] {
  return [...facts.owners].flatMap(([path, name]) => {
    const unit = packageUnits.exec(path)?.[1]
    return unit !== undefined && image.has(name) ? [unit] : []
  })
}

/**
 * A package enables its unit when it is installed, in the build as on any Debian; a definition can only mask it. Where
 * another unit starts it on demand (ssh.socket), a mask would break that: then it is only reported.
 */
function turnedOff(facts: Facts, has: (unit: string) => boolean, links: ReadonlySet<string>) {
  const masks = new Map<string, string>()
  const left: Finding[] = []
  const on = new Set([...links].flatMap((link) => wants.exec(link)?.[1] ?? []))
  for (const link of [...facts.enabledByPackages].toSorted()) {
    const unit = wants.exec(link)?.[1]
    if (unit === undefined || links.has(link) || on.has(unit) || !has(unit) || links.has(unit)) continue
    if (isOffByPreset(facts, unit)) continue
    const stem = unit.replace(/\.[^.]+$/, '')
    if (['socket', 'timer', 'path'].some((kind) => on.has(`${stem}.${kind}`)))
      left.push({
        code: 'service-on-again',
        message: `${unit} was disabled, and the image’s packages enable it; another unit starts it there, so it is not masked`,
      })
    else {
      masks.set(`${folder}${unit}`, '/dev/null')
      left.push({
        code: 'service-masked',
        message: `${unit} was disabled there; the image masks it, since its package would enable it`,
        where: `${folder}${unit}`,
      })
    }
  }
  return { masks, left }
}
