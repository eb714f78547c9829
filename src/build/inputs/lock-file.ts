import { join } from 'node:path'
import {
  AshlarError,
  type Definition,
  type Digest,
  type Lock,
  type Progress,
  parseLock,
} from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { type BlobReader, digestOf } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { type DefinitionFile, lockName } from './definition-file.ts'
import { imageRoots, requestOf, toolRoots } from './roots.ts'

export interface LockFile {
  readonly lock: Lock
  /** Of the file's bytes. */
  readonly digest: Digest
}

const lockHint = 'run ashlar lock'
/** Moves no package. */
const keepHint = 'run ashlar lock --keep, which fetches it again'

/** Reads the lock that belongs to a definition, and to the bases that its Containerfile names. @throws BuildError `lock-missing`, `lock-stale`; LockError */
export async function readLock(
  sys: Sys,
  folder: string,
  { definition }: DefinitionFile,
  bases?: readonly string[],
): Promise<LockFile> {
  const where = join(folder, lockName)
  const bytes = await whenThere(sys.disk.readFile(where))
  if (bytes === undefined)
    throw new BuildError('lock-missing', `there is no ${lockName} in ${folder}`, { where, hint: lockHint })
  const lock = parseLock(new TextDecoder().decode(bytes), where)
  const why = whyUnfit(lock, definition.spec, bases)
  if (why === undefined) return { lock, digest: digestOf(bytes) }
  throw new BuildError('lock-stale', why, { where, hint: lockHint })
}

/** A lock is a file in git: it may be of another branch, or merged into something that no solver ever wrote. */
function whyUnfit(lock: Lock, spec: Definition['spec'], bases?: readonly string[]): string | undefined {
  if (
    lock.request !== requestOf(spec, bases) ||
    lock.suite !== spec.base.debian ||
    lock.architecture !== spec.arch
  )
    return `the definition asks for other ${bases === undefined ? 'packages' : 'packages or base images'} than the lock answers`
  const has = (packages: Lock['packages'], name: string) => packages.some((one) => one.name === name)
  const placed = lock.layers.flat()
  const missing = [
    ...lock.packages.map(({ source }) => source).filter((source) => !placed.includes(source)),
    ...imageRoots(spec, []).filter((name) => !has(lock.packages, name)),
    ...toolRoots(spec, []).filter((name) => !has(lock.tools, name)),
    ...(bases ?? []).filter((name) => !lock.bases?.some((base) => base.name === name)),
    ...(spec.form === 'system'
      ? (['node', 'agent'] as const).filter((name) => lock[name] === undefined)
      : []),
  ]
  if (new Set(placed).size < placed.length) return 'the lock puts a package into two layers'
  return missing.length === 0 ? undefined : `the lock lacks ${missing.join(', ')}`
}

interface Input {
  readonly name: string
  readonly digest: Digest
  readonly sizeBytes: number
}

/** Everything that the lock names, packages of image and tools alike. */
export function inputsOf(lock: Lock): readonly Input[] {
  const { packages, tools, node, agent } = lock
  const files = [node && { ...node, name: 'node' }, agent && { ...agent, name: 'agent.js' }]
  return [...packages, ...tools, ...baseInputsOf(lock), ...files.filter((file) => file !== undefined)]
}

/** All that a lock names of its base images. */
function baseInputsOf({ bases = [] }: Lock) {
  return bases.flatMap(({ name, digest, sizeBytes, blobs }) =>
    [{ digest, sizeBytes }, ...blobs].map((blob) => ({ ...blob, name: `a part of ${name}` })),
  )
}

/** Of two hundred names the first few tell as much. */
const namedMax = 8

/** Fails before anything is built, naming what is not there. @throws BuildError `input-missing` */
export async function requireInputs(blobs: BlobReader, inputs: readonly Input[]): Promise<void> {
  const missing: string[] = []
  for (const { name, digest, sizeBytes } of inputs)
    if ((await blobs.stat(digest))?.sizeBytes !== sizeBytes) missing.push(name)
  if (missing.length === 0) return
  const names = [...new Set(missing)]
  const named = names.slice(0, namedMax).join(', ')
  const more = names.length > namedMax ? ` and ${names.length - namedMax} more` : ''
  throw new BuildError('input-missing', `the store lacks what the lock names: ${named}${more}`, {
    hint: keepHint,
  })
}

/** Copies an input out of the store, judged by its digest on the way. @throws BuildError `hash-mismatch` */
export async function takeInput(sys: Sys, blobs: BlobReader, input: Input, file: string): Promise<void> {
  try {
    await sys.disk.writeFile(file, blobs.read(input.digest))
  } catch (cause) {
    if (!(cause instanceof AshlarError) || cause.code !== 'digest-mismatch') throw cause
    throw new BuildError('hash-mismatch', `the store's copy of ${input.name} was damaged or exchanged`, {
      where: input.digest,
      hint: keepHint,
      cause,
    })
  }
}

/** Copies packages out of the store; the files' names are the packages'. */
export async function takePackages(
  sys: Sys,
  blobs: BlobReader,
  packages: readonly Input[],
  folder: string,
  progress: Progress,
): Promise<void> {
  const step = { step: 'read packages', total: packages.length, unit: 'items' } as const
  for (const [done, input] of packages.entries()) {
    progress({ ...step, done })
    await takeInput(sys, blobs, input, join(folder, `${input.name}.deb`))
  }
  progress({ ...step, done: packages.length })
}
