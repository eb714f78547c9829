import { nearest } from '../../core/index.ts'
import { BuildError } from '../errors.ts'
import type { LaidTree } from './laid-tree.ts'

const unitFolders = ['/etc/systemd/system', '/usr/lib/systemd/system']
const suffix = /\.(?:service|socket|target|timer|path|mount|automount|swap|slice)$/

/**
 * The units that are to be enabled, as `systemctl enable` takes them. What Debian's packages enable by themselves when they
 * are installed stays enabled, as on any Debian. @throws BuildError `service-unknown`
 */
export async function unitsOf(tree: LaidTree, services: readonly string[]): Promise<readonly string[]> {
  if (services.length === 0) return []
  const known = new Set<string>()
  for (const folder of unitFolders)
    for (const name of await tree.list(folder)) if (suffix.test(name)) known.add(name)
  return services.map((service) => {
    const unit = suffix.test(service) ? service : `${service}.service`
    if (known.has(unit) || known.has(unit.replace(/@[^.]*\./, '@.'))) return unit
    const near = nearest(unit, known)
    throw new BuildError(
      'service-unknown',
      `the image has no unit ${unit}${near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`}`,
      { where: 'ashlar.yaml spec.services', hint: 'add the package that brings it to spec.packages' },
    )
  })
}
