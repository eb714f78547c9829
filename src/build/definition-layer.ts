import { join } from 'node:path'
import { canonicalJson, type Definition, type Digest } from '../core/index.ts'
import { digestOf } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { treeOf } from './image/index.ts'
import { type KeptLayer, type Packages, smallLayer } from './kept-layers.ts'
import {
  addUsers,
  filesDigest,
  keepLaidVar,
  LaidTree,
  layFiles,
  stampTimes,
  type TreeContext,
  trustText,
  unitsOf,
} from './tree/index.ts'
import { cacheKey, runInside } from './workshop/index.ts'

/** All that a definition lays over packages and agent, as it was read once. */
export interface OwnContent {
  readonly spec: Definition['spec']
  readonly folder: string
  /** Text of the trust root. */
  readonly trust: string | undefined
  /** Of the definition's files. */
  readonly files: Digest
  /** Of all of it. */
  readonly digest: Digest
}

/** @throws BuildError `file-missing`, `key-invalid` */
export async function readOwnContent(sys: Sys, { spec }: Definition, folder: string): Promise<OwnContent> {
  const { form, users, files, services, health } = spec
  const trust = spec.trust === undefined ? undefined : await trustText(sys, folder, spec.trust)
  const filesRead = await filesDigest(sys, folder, files)
  const content = [form, users, files, services, health, trust, filesRead]
  return { spec, folder, trust, files: filesRead, digest: digestOf(JSON.stringify(content)) }
}

/** What the definition lays over packages and agent: users, files, services, trust root, health checks. */
export async function definitionLayer(
  context: TreeContext,
  packages: Packages,
  lower: readonly KeptLayer[],
  own: OwnContent,
): Promise<KeptLayer> {
  const key = cacheKey('definition', [lower.map(({ layer }) => layer.diffId), own.digest])
  return await smallLayer(context, packages, 'definition', key, () =>
    definitionTree(context, packages, lower, own),
  )
}

async function definitionTree(
  { sys, cache, lock: { epochSeconds } }: TreeContext,
  packages: Packages,
  lower: readonly KeptLayer[],
  { spec, folder, trust, files }: OwnContent,
): Promise<string> {
  const upper = await cache.scratch('definition')
  const tree = new LaidTree(sys, upper, treeOf(sys, lower))
  await addUsers(tree, spec.users, epochSeconds)
  await layFiles(sys, tree, { folder, layers: spec.files, digest: files })
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
