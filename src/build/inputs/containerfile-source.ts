import { dirname, join, relative } from 'node:path'
import type { Definition, Digest } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { digestOf } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { digestOfFile } from '../workshop/index.ts'
import { type Containerfile, parseContainerfile } from './containerfile.ts'
import type { DefinitionFile } from './definition-file.ts'

/** The Containerfile of a definition, read, and the folder whose files it may copy. */
export interface ContainerfileSource extends Containerfile {
  readonly contextFolder: string
  readonly args: Readonly<Record<string, string>>
}

/** As {@link ContainerfileSource}, with a digest of all that is in it. */
export interface ContainerfileContent extends ContainerfileSource {
  readonly digest: Digest
}

export async function readContainerfileContent(
  sys: Sys,
  folder: string,
  definitionFile: Pick<DefinitionFile, 'definition' | 'place'>,
): Promise<ContainerfileContent | undefined> {
  const source = await readContainerfile(sys, folder, definitionFile)
  return source && { ...source, digest: await contentDigest(sys, source) }
}

/** Undefined where the definition has no `spec.from`. @throws BuildError `file-missing`, `containerfile-invalid` with every finding */
export async function readContainerfile(
  sys: Sys,
  folder: string,
  { definition: { spec }, place }: Pick<DefinitionFile, 'definition' | 'place'>,
): Promise<ContainerfileSource | undefined> {
  const { from, arch } = spec
  if (from === undefined) return undefined
  const file = join(folder, from.containerfile)
  const bytes = await whenThere(sys.disk.readFile(file))
  if (bytes === undefined)
    throw new BuildError('file-missing', `there is no ${from.containerfile} beside ashlar.yaml`, {
      where: place(['spec', 'from', 'containerfile']),
      hint: 'correct spec.from in ashlar.yaml',
    })
  const parsed = parseContainerfile(new TextDecoder().decode(bytes), {
    file: relative(folder, file),
    architecture: arch,
    args: from.args,
  })
  if (parsed.is === 'containerfile')
    return { ...parsed, args: from.args, contextFolder: join(folder, contextOf(from)) }
  throw new BuildError('containerfile-invalid', 'the Containerfile cannot be built from locked inputs', {
    where: file,
    findings: parsed.findings,
    hint: 'mend these lines',
  })
}

/** The folder of the context, relative to that of the definition. */
export function contextOf({ containerfile, context }: NonNullable<Definition['spec']['from']>): string {
  return context ?? dirname(containerfile)
}

/** A file, folder or link of the context, as git would keep it: of a mode only whether the owner may execute. */
interface ContextEntry {
  readonly path: string
  readonly kind: 'folder' | 'file' | 'link'
  readonly executable: boolean
}

/** The text stands with its bases by number, for the lock says which these are. */
async function contentDigest(
  sys: Sys,
  { args, contextFolder, doubts, pinned }: ContainerfileSource,
): Promise<Digest> {
  const found: unknown[] = [pinned(String), args, doubts]
  for (const { path, kind, executable } of await contextEntries(sys, contextFolder)) {
    const file = join(contextFolder, path)
    if (kind === 'folder') found.push([path])
    else if (kind === 'link') found.push([path, await sys.disk.readlink(file)])
    else found.push([path, executable, (await digestOfFile(sys, file)).digest])
  }
  return digestOf(JSON.stringify(found))
}

/**
 * Copies the context with one owner, two modes and one time: neither a clone's umask nor its hour gets into the image.
 * @throws BuildError `context-changed`
 */
export async function stageContext(
  sys: Sys,
  content: ContainerfileContent,
  target: string,
  epochSeconds: number,
): Promise<void> {
  const { contextFolder } = content
  const entries = await contextEntries(sys, contextFolder)
  for (const { path, kind, executable } of entries) {
    const [from, to] = [join(contextFolder, path), join(target, path)]
    if (kind === 'folder') await sys.disk.mkdir(to)
    else if (kind === 'link') await sys.disk.symlink(await sys.disk.readlink(from), to)
    else await sys.disk.copyFile(from, to)
    if (kind !== 'link') await sys.disk.chmod(to, kind === 'folder' || executable ? 0o755 : 0o644)
  }
  // The innermost first: what is put into a folder gives it another time.
  for (const { path } of [...entries.toReversed(), { path: '.' }])
    await sys.disk.lutimes(join(target, path), epochSeconds, epochSeconds)
  if ((await contentDigest(sys, { ...content, contextFolder: target })) !== content.digest)
    throw new BuildError('context-changed', 'files of the context changed while they were read', {
      where: contextFolder,
      hint: 'run ashlar build again when nothing writes there',
    })
}

async function contextEntries(sys: Sys, folder: string, path = ''): Promise<readonly ContextEntry[]> {
  const found: ContextEntry[] = []
  for (const name of (await sys.disk.readdir(join(folder, path))).toSorted()) {
    // It differs from clone to clone of one commit.
    if (name === '.git') continue
    const inside = join(path, name)
    const stat = await sys.disk.lstat(join(folder, inside))
    const executable = (stat.mode & 0o100) !== 0
    if (stat.isDirectory())
      found.push({ path: inside, kind: 'folder', executable }, ...(await contextEntries(sys, folder, inside)))
    else if (stat.isSymbolicLink()) found.push({ path: inside, kind: 'link', executable })
    else if (stat.isFile()) found.push({ path: inside, kind: 'file', executable })
    else
      throw new BuildError('file-missing', `${join(folder, inside)} is neither file, folder nor link`, {
        where: join(folder, inside),
      })
  }
  return found
}
