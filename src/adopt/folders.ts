import type { Definition, Finding } from '../core/index.ts'
import type { Facts } from './facts.ts'
import type { LaidFile } from './lay-files.ts'
import { foldersOf } from './paths.ts'

type FileLayer = Definition['spec']['files'][number]

/**
 * Folders that come out otherwise than they were: a folder that no package brings is made by the first tree that has a
 * file in it, with that tree's owner and mode.
 */
export function folderFindings(
  facts: Facts,
  files: readonly LaidFile[],
  layers: readonly FileLayer[],
): readonly Finding[] {
  const made = new Map<string, FileLayer>()
  for (const layer of layers)
    for (const { path } of files)
      if (path.startsWith(layer.from))
        for (const folder of foldersOf(path.slice(layer.from.length - 1)))
          if (!made.has(folder) && !facts.owners.has(folder)) made.set(folder, layer)
  return [...made].flatMap(([folder, { owner, directoryMode }]) => {
    const there = facts.entries.get(folder)
    if (there === undefined) return []
    const was = `${nameOf(facts.users, 'uid', there.uid)}:${nameOf(facts.groups, 'gid', there.gid)}`
    const mode = there.mode.toString(8).padStart(4, '0')
    if (was === owner && mode === directoryMode) return []
    return [
      {
        code: 'folder-owner',
        message: `it was ${was}’s with mode ${mode}; in the image it is ${owner}’s with ${directoryMode}`,
        where: folder,
        hint: 'give it an entry of its own in spec.files, before those that have files in it',
      },
    ]
  })
}

function nameOf<Key extends string>(
  rows: readonly ({ readonly name: string } & Readonly<Record<Key, number>>)[],
  key: Key,
  id: number,
): string {
  return rows.find((row) => row[key] === id)?.name ?? String(id)
}
