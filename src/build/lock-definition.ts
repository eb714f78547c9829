import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Definition,
  type Digest,
  digestFromHex,
  type Lock,
  type LockedPackage,
  nearest,
  type Progress,
  printLock,
} from '../core/index.ts'
import type { BlobReader, BlobWriter } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { Apt, type PocketFiles, type Solved } from './apt.ts'
import { Catalogue, parseRelease } from './archive-index.ts'
import { definitionName, digestOf, lockName, readDefinition } from './definition-file.ts'
import { BuildError } from './errors.ts'
import { fetchPackages, storeFile } from './fetch-packages.ts'
import { findMirrors } from './mirrors.ts'
import { imageRoots, requestOf, toolRoots } from './roots.ts'
import { readSigned } from './signature.ts'

/** Where Debian keeps the keys that sign its archives. */
const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** A file of this machine that becomes an input of the build. */
export interface InputFile {
  readonly file: string
  readonly version: string
}

export interface LockOptions {
  readonly sys: Sys
  /** Holds `ashlar.yaml`; `ashlar.lock` is written beside it. */
  readonly folder: string
  /** Keeps every input, so that the lock still builds after the archive dropped a version. */
  readonly store: BlobReader & BlobWriter
  /** Keeps apt's indexes between runs. */
  readonly stateFolder: string
  /** The Node binary and the agent's bundle that a system carries. */
  readonly node: InputFile
  readonly agent: InputFile
  readonly keyring?: string
  readonly progress: Progress
}

/** Solves a definition's dependencies, here and only here, and writes down every input of its build. */
export async function lockDefinition(options: LockOptions): Promise<{ lock: Lock; text: string }> {
  const { sys, folder } = options
  const { definition } = await readDefinition(sys, folder)
  const { spec } = definition
  const apt = await openApt(options, definition)
  const pockets = await apt.update()
  const { catalogue, ...archive } = await readPockets(options, pockets)
  checkNames(definition, catalogue)
  const packages = choose(await apt.solve(imageRoots(spec, catalogue.essential)), catalogue)
  const tools =
    spec.form === 'system' ? choose(await apt.solve(toolRoots(spec, catalogue.essential)), catalogue) : []
  const downloads = join(options.stateFolder, 'downloads')
  await fetchPackages([...packages, ...tools], { ...options, apt, blobs: options.store, folder: downloads })
  const lock: Lock = {
    lockVersion: 1,
    request: requestOf(spec),
    architecture: spec.arch,
    suite: spec.base.debian,
    epochSeconds: archive.epochSeconds,
    pockets: archive.pockets,
    packages,
    tools,
    ...(spec.form === 'system' && {
      node: await storeInput(options, options.node),
      agent: await storeInput(options, options.agent),
    }),
  }
  const text = printLock(lock)
  await sys.disk.writeDurably(join(folder, lockName), text)
  return { lock, text }
}

async function openApt(options: LockOptions, { spec }: Definition): Promise<Apt> {
  const { sys, stateFolder, keyring = debianKeyring } = options
  const mirrors = await findMirrors(sys, spec.base)
  const state = { sys, suite: spec.base.debian, architecture: spec.arch, mirrors, keyring }
  // One folder for each set of sources: apt takes indexes of other sources for its own.
  const name = digestOf(JSON.stringify([state.suite, state.architecture, mirrors])).slice(7, 23)
  return new Apt({ ...state, folder: join(stateFolder, 'apt', name) })
}

interface ReadPockets extends Pick<Lock, 'pockets' | 'epochSeconds'> {
  readonly catalogue: Catalogue
}

/** Checks each pocket's signature, and its index of packages against what was signed. */
async function readPockets(
  { sys, stateFolder, keyring = debianKeyring }: LockOptions,
  files: readonly PocketFiles[],
): Promise<ReadPockets> {
  const catalogue = new Catalogue()
  const pockets: Lock['pockets'] = []
  let epochSeconds = 0
  for (const { name, archive, inRelease, packages, packagesPath } of files) {
    const { text, signers } = await readSigned(
      sys,
      inRelease,
      keyring,
      join(stateFolder, 'apt', `${name}.signed`),
    )
    const release = parseRelease(text, name)
    const index = packages === undefined ? Buffer.alloc(0) : await sys.disk.readFile(packages)
    if (release.files.get(packagesPath)?.digest !== digestOf(index))
      throw new BuildError('archive-invalid', `the index of ${name} is not the one that was signed`, {
        where: name,
      })
    catalogue.add(index.toString('utf8'), archive)
    const signed = await sys.disk.readFile(inRelease)
    pockets.push({ name, archive, digest: digestOf(signed), sizeBytes: signed.length, signers: [...signers] })
    epochSeconds = Math.max(epochSeconds, release.dateSeconds)
  }
  return { catalogue, pockets, epochSeconds }
}

/** apt would stop at the first unknown name, and say nothing of what was meant. */
function checkNames({ spec }: Definition, catalogue: Catalogue): void {
  const kernel = spec.form === 'system' ? [spec.kernel.package] : []
  const unknown = [...spec.packages, ...kernel].filter((name) => !catalogue.has(name))
  if (unknown.length === 0) return
  const text = unknown.map((name) => {
    const near = nearest(name, catalogue.names())
    return `${name}${near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`}`
  })
  throw new BuildError('package-unknown', `${spec.base.debian} has no package ${text.join(', ')}`, {
    where: definitionName,
    hint: 'correct spec.packages in ashlar.yaml',
  })
}

function choose(solved: readonly Solved[], catalogue: Catalogue): LockedPackage[] {
  return solved
    .map(({ name, version, architecture }) => {
      const found = catalogue.find(name, version, architecture)
      if (found === undefined)
        throw new BuildError('archive-invalid', `apt chose ${name} ${version}, which no index has`, {
          where: name,
        })
      return found
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function storeInput(
  { sys, store }: LockOptions,
  input: InputFile,
): Promise<{ version: string; digest: Digest; sizeBytes: number }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const handle = await sys.disk.open(input.file, 'r')
  try {
    for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) {
      hash.update(chunk as Uint8Array)
      sizeBytes += (chunk as Uint8Array).length
    }
  } finally {
    await handle.close()
  }
  const digest = digestFromHex(hash.digest('hex'))
  if ((await store.stat(digest))?.sizeBytes !== sizeBytes)
    await storeFile(sys, store, { digest, sizeBytes }, input.file)
  return { version: input.version, digest, sizeBytes }
}
