import { join } from 'node:path'
import { canonicalJson, type Definition } from '../core/index.ts'
import { addUsers } from './accounts.ts'
import { cacheKey } from './cache.ts'
import { runInside } from './chamber.ts'
import { stampTimes } from './clamp.ts'
import { filesDigest, layFiles } from './definition-files.ts'
import { treeOf } from './image-file.ts'
import { type KeptLayer, type Packages, smallLayer } from './kept-layers.ts'
import { LaidTree } from './laid-tree.ts'
import { unitsOf } from './services.ts'
import type { TreeContext } from './trees.ts'
import { trustText } from './trust.ts'
import { keepLaidVar } from './var-content.ts'

interface Own {
  readonly definition: Definition
  readonly folder: string
  /** The packages' and the agent's. */
  readonly lower: readonly KeptLayer[]
  readonly trust: string | undefined
}

/** What the definition lays over packages and agent: users, files, services, trust root, health checks. */
export async function definitionLayer(
  context: TreeContext,
  packages: Packages,
  { definition, folder, lower }: Omit<Own, 'trust'>,
): Promise<KeptLayer> {
  const { form, users, files, services, health, trust } = definition.spec
  const own = {
    ...{ definition, folder, lower },
    trust: trust === undefined ? undefined : await trustText(context.sys, folder, trust),
  }
  const content = [
    form,
    users,
    files,
    services,
    health,
    own.trust,
    await filesDigest(context.sys, folder, files),
  ]
  const key = cacheKey('definition 2', [lower.map(({ layer }) => layer.diffId), content])
  return await smallLayer(context, packages, 'definition', key, () => definitionTree(context, packages, own))
}

async function definitionTree(
  { sys, cache, lock: { epochSeconds } }: TreeContext,
  packages: Packages,
  { definition: { spec }, folder, lower, trust }: Own,
): Promise<string> {
  const upper = await cache.scratch('definition')
  const tree = new LaidTree(sys, upper, treeOf(sys, lower))
  await addUsers(tree, spec.users, epochSeconds)
  await layFiles(sys, tree, folder, spec.files)
  if (trust !== undefined) await tree.writeFile('/usr/lib/ashlar/trust.json', trust)
  if (spec.form === 'system') {
    await tree.writeFile('/usr/lib/ashlar/health.json', canonicalJson(spec.health))
    await keepLaidVar(sys, tree, upper)
  }
  const units = await unitsOf(tree, spec.services)
  if (units.length > 0) {
    const scratch = await cache.scratch('enable')
    const [root, work] = [join(scratch, 'root'), join(scratch, 'work')]
    for (const path of [root, work]) await sys.disk.mkdir(path)
    const chamber = { root, image: packages.image, writes: { upper, work }, epochSeconds }
    await runInside(sys, chamber, ['systemctl', 'enable', ...units])
  }
  await stampTimes(sys, upper, epochSeconds)
  return upper
}
