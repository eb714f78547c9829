import { dirname, join } from 'node:path'
import type { Definition } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import {
  type BuildOptions,
  type BuiltParts,
  type BuiltRelease,
  buildParts,
  finishRelease,
  readInputs,
  type StoredParts,
  storedParts,
} from './build-release.ts'
import { readOwnContent } from './definition-layer.ts'
import { type Difference, differencesOf } from './image/index.ts'
import { contextOf, definitionName, lockName, readContainerfileContent } from './inputs/index.ts'
import { openCache, together } from './workshop/index.ts'

export interface CheckedRelease extends BuiltRelease {
  /** What the two builds made differently; none where they are equal bit for bit. */
  readonly differences: readonly Difference[]
}

/**
 * Builds a release, then once more from nothing but the lock and under other conditions, and compares: each path of each
 * layer, the root image, the boot file. The release is the first build's.
 */
export async function checkRelease(options: BuildOptions): Promise<CheckedRelease> {
  const inputs = await readInputs(options)
  const { sys, cacheFolder, useCache } = options
  const cache = await openCache(sys, cacheFolder, useCache)
  try {
    const { definition } = inputs.definitionFile
    const first = await buildParts(
      options,
      inputs,
      cache,
      await readOwnContent(sys, definition, options.folder),
    )
    const scratch = await cache.scratch('check')
    const folder = join(scratch, 'definition')
    await copyBackwards(sys, options.folder, folder, definition)
    const elsewhere = { ...options, folder, sys: otherConditions(sys) }
    const own = await readOwnContent(elsewhere.sys, definition, folder)
    const containerfile = await readContainerfileContent(elsewhere.sys, folder, inputs.definitionFile)
    const second = await buildParts(
      elsewhere,
      { ...inputs, containerfile },
      await openCache(sys, join(scratch, 'cache'), false),
      own,
    )
    const release = await finishRelease(options, inputs, storedParts(first), cache)
    return { ...release, differences: await compare(sys, first, second) }
  } finally {
    await cache.close()
  }
}

const otherPlace = { TZ: 'Pacific/Chatham', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', LANGUAGE: 'tr' }

/**
 * The same world, in another place: each program that the build starts has another time zone, locale and umask and runs
 * on one processor only. The hour is another one by itself, the day is not.
 */
function otherConditions(sys: Sys): Sys {
  const place = Object.entries(otherPlace).map(([name, value]) => `${name}=${value}`)
  const prefix = [...place, 'sh', '-c', 'umask 077; exec taskset --cpu-list 0 "$@"', 'sh']
  return {
    ...sys,
    exec: {
      ...sys.exec,
      run: (program, args, more) => sys.exec.run('env', [...prefix, program, ...args], more),
    },
  }
}

/** The definition in another folder, its files made in the opposite order. */
async function copyBackwards(sys: Sys, from: string, to: string, { spec }: Definition): Promise<void> {
  const keys = [...(spec.trust?.release.keys ?? []), ...(spec.trust?.director.keys ?? [])]
  const source = spec.from === undefined ? [] : [spec.from.containerfile, contextOf(spec.from)]
  const paths = [definitionName, lockName, ...keys, ...spec.files.map((layer) => layer.from), ...source]
  const copy = async (path: string): Promise<void> => {
    const [source, target] = [join(from, path), join(to, path)]
    const stat = await sys.disk.lstat(source)
    await sys.disk.mkdir(stat.isDirectory() ? target : dirname(target), { recursive: true })
    if (stat.isDirectory()) {
      const names = (await sys.disk.readdir(source)).filter((name) => name !== '.git')
      for (const name of names.toSorted().toReversed()) await copy(join(path, name))
    } else if (stat.isSymbolicLink()) {
      await sys.disk.rm(target, { force: true })
      await sys.disk.symlink(await sys.disk.readlink(source), target)
    } else await sys.disk.copyFile(source, target)
  }
  for (const path of new Set(paths)) await copy(path)
}

async function compare(sys: Sys, first: BuiltParts, second: BuiltParts): Promise<readonly Difference[]> {
  const layers = first.layers.map(async (layer, index) => {
    const other = second.layers[index]
    if (other === undefined) return [{ path: '/', what: `only the first build has layer ${index + 1}` }]
    if (layer.layer.diffId === other.layer.diffId) return []
    const found = await differencesOf(sys, layer, other)
    return found.length > 0 ? found : [{ path: '/', what: `the order of names in layer ${index + 1}` }]
  })
  const found = (await together(layers)).flat()
  if (second.layers.length > first.layers.length)
    found.push({ path: '/', what: `only the second build has layer ${first.layers.length + 1}` })
  // What is packed names what is in it: where that differs, so does all the rest.
  return found.length > 0 ? found : packedDifferences(storedParts(first), storedParts(second))
}

interface Part {
  readonly path: string
  readonly of: (all: StoredParts) => string | undefined
  readonly reason?: string
}

function packedDifferences(first: StoredParts, second: StoredParts): readonly Difference[] {
  const parts: readonly Part[] = [
    ...first.layers.map(
      (_, index): Part => ({ path: `layer ${index + 1}`, of: ({ layers }) => layers[index]?.digest }),
    ),
    {
      path: 'boot.efi',
      of: ({ disk }) => disk?.boot.digest,
      reason: 'the initrd, or the tools that made it',
    },
    { path: 'root.verity', of: ({ disk }) => disk?.verity.digest },
    { path: 'root.erofs', of: ({ disk }) => disk?.root.digest },
    { path: 'the configuration of the image', of: ({ made }) => JSON.stringify(made?.config) },
  ]
  const found = parts.filter(({ of }) => of(first) !== of(second))
  return found.map(({ path, reason }) => ({ path, what: 'content', ...(reason !== undefined && { reason }) }))
}
