import { join } from 'node:path'
import { canonicalJson, type Definition } from '../core/index.ts'
import { addUsers } from './accounts.ts'
import { runInside } from './chamber.ts'
import { clampTimes } from './clamp.ts'
import { layFiles } from './definition-files.ts'
import { LaidTree } from './laid-tree.ts'
import { unitsOf } from './services.ts'
import type { TreeContext } from './trees.ts'
import { trustText } from './trust.ts'
import { keepLaidVar } from './var-content.ts'

/**
 * What the definition lays over packages and agent: users, files, services, trust root, health checks. `lower` are the
 * trees below, topmost first.
 */
export async function definitionTree(
  { sys, cache, lock: { epochSeconds } }: TreeContext,
  definition: Definition,
  folder: string,
  lower: readonly string[],
): Promise<string> {
  const { spec } = definition
  const upper = await cache.scratch('definition')
  const tree = new LaidTree(sys, upper, lower)
  await addUsers(tree, spec.users, epochSeconds)
  await layFiles(sys, tree, folder, spec.files)
  if (spec.trust !== undefined)
    await tree.writeFile('/usr/lib/ashlar/trust.json', await trustText(sys, folder, spec.trust))
  if (spec.form === 'system') {
    await tree.writeFile('/usr/lib/ashlar/health.json', canonicalJson(spec.health))
    await keepLaidVar(sys, tree, upper)
  }
  const units = await unitsOf(tree, spec.services)
  if (units.length > 0) {
    const scratch = await cache.scratch('enable')
    const [root, work] = [join(scratch, 'root'), join(scratch, 'work')]
    for (const path of [root, work]) await sys.disk.mkdir(path)
    const overlay = { name: '/', lower, writes: { upper, work } }
    await runInside(sys, { root, epochSeconds, overlay }, ['systemctl', 'enable', ...units])
  }
  await clampTimes(sys, upper, epochSeconds)
  return upper
}
