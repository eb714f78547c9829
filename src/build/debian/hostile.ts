import type { LockedPackage } from '../../core/index.ts'
import { BuildError } from '../errors.ts'

/** Makes the error that refuses a package: why, and because of which entry. */
export type Refuse = (why: string, entry?: string) => BuildError

export function refusePackage({ name, version }: Pick<LockedPackage, 'name' | 'version'>): Refuse {
  return (why, entry) =>
    new BuildError(
      'archive-hostile',
      entry === undefined
        ? `the package ${name} ${version} ${why}`
        : `the package ${name} ${version} is refused: ${JSON.stringify(entry)} ${why}`,
      {
        where: entry === undefined ? name : `${name} ${JSON.stringify(entry)}`,
        hint: 'nothing of it was unpacked; take it out of spec.packages, or another mirror (spec.base.mirrors), and run ashlar lock',
      },
    )
}
