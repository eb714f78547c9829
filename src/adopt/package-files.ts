import type { Finding } from '../core/index.ts'
import type { Facts, OwnedPath } from './facts.ts'

/** What triggers, caches and other package managers leave below `/usr`. */
const madeByPrograms = [
  /^\/usr\/share\/(?:man|info|icons|mime|applications|glib-2\.0\/schemas|fonts|doc|locale|vim|emacs|mysql-common|perl5?)\//,
  /^\/usr\/lib\/(?:modules|locale|udev\/hwdb\.bin|ssl|python3|jvm|node_modules)/,
  /^\/usr\/lib\/[a-z0-9_]+-linux-gnu\/(?:gconv|gio|gdk-pixbuf)/,
  /\.(?:pyc|cache)$/,
  /\/\.uuid$/,
]
/** Paths shown of one package or of `/usr`; beyond it only their number says something. */
const shownMax = 20

/** Files below `/usr` that are not as packages put them there. None is carried: the image has each package as Debian made it. */
export function packageFileFindings(facts: Facts, image: ReadonlySet<string>): readonly Finding[] {
  const diverted = new Set(facts.diversions.map(({ from }) => from))
  const ofImage = ({ package: owner, path }: OwnedPath) =>
    image.has(owner) && !path.startsWith('/etc/') && !diverted.has(path)
  return [
    ...byPackage(facts.changed.filter(ofImage)).map(([owner, paths]) => ({
      ...about(paths, `not what ${owner} ships; the image has the package’s`),
      code: 'program-changed',
      hint: 'put what is yours below rootfs/usr/local, into a drop-in, or into a package',
    })),
    ...byPackage(facts.lost.filter(ofImage)).map(([owner, paths]) => ({
      ...about(paths, `gone there though ${owner} ships it; the image has it`),
      code: 'file-removed',
    })),
    ...facts.diversions
      .filter(({ by }) => by === ':')
      .map(({ from, to }) => ({
        code: 'diversion',
        message: `diverted by hand to ${to}`,
        where: from,
        hint: 'lay your own file over it with spec.files',
      })),
    ...strayFindings(facts),
  ]
}

function strayFindings({ stray, diversions }: Facts): readonly Finding[] {
  const diverted = new Set(diversions.map(({ to }) => to))
  const paths = stray.filter((path) => !diverted.has(path) && !madeByPrograms.some((one) => one.test(path)))
  if (paths.length === 0) return []
  const hint = 'put what is yours below rootfs/usr/local'
  return [{ code: 'file-stray', ...about(paths, 'of no package, where only packages put files'), hint }]
}

function byPackage(rows: readonly OwnedPath[]): readonly (readonly [string, readonly string[]])[] {
  const paths = new Map<string, string[]>()
  for (const row of rows) paths.set(row.package, [...(paths.get(row.package) ?? []), row.path])
  return [...paths]
}

/** One path has its place; of several the first are told. */
function about(paths: readonly string[], what: string): Pick<Finding, 'message' | 'where'> {
  const sorted = paths.toSorted()
  if (sorted.length === 1) return { message: what, where: sorted[0] }
  const rest = sorted.length > shownMax ? ` and ${sorted.length - shownMax} more` : ''
  return { message: `${what}: ${sorted.slice(0, shownMax).join(', ')}${rest}` }
}
