import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  type Definition,
  type Digest,
  digestFromHex,
  type Lock,
  type Progress,
  printLock,
} from '../core/index.ts'
import type { BlobReader, BlobWriter } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { Apt, type AptOptions, type PocketFiles } from './apt.ts'
import { Catalogue, parseRelease } from './archive-index.ts'
import { digestOf, lockName, readDefinition } from './definition-file.ts'
import { lookElsewhere } from './elsewhere.ts'
import { BuildError } from './errors.ts'
import { fetchPackages, storeFile } from './fetch-packages.ts'
import { findMirrors } from './mirrors.ts'
import { checkNames } from './package-names.ts'
import { imageRoots, requestOf, toolRoots } from './roots.ts'
import { readSigned } from './signature.ts'
import { solve } from './solve.ts'

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
  const definitionFile = await readDefinition(sys, folder)
  const { spec } = definitionFile.definition
  const archiveState = await findArchive(options, definitionFile.definition)
  const apt = new Apt({ ...archiveState, folder: stateOf(options, archiveState) })
  await apt.update()
  const { catalogue, ...archive } = await readPockets(options, await apt.pocketFiles())
  const elsewhere = lookElsewhere({
    ...archiveState,
    folder: `${stateOf(options, archiveState)}-elsewhere`,
  })
  await checkNames(definitionFile, catalogue, elsewhere)
  const solver = { apt, catalogue, definitionFile }
  const packages = await solve(solver, imageRoots(spec, catalogue.essential))
  const tools = spec.form === 'system' ? await solve(solver, toolRoots(spec, catalogue.essential)) : []
  const downloads = join(options.stateFolder, 'downloads')
  await fetchPackages([...packages, ...tools], { ...options, apt, blobs: options.store, folder: downloads })
  const lock: Lock = {
    lockVersion: 1,
    request: requestOf(spec),
    architecture: spec.arch,
    suite: spec.base.debian,
    epochSeconds: archive.epochSeconds,
    pockets: archive.pockets,
    packages: [...packages],
    tools: [...tools],
    ...(spec.form === 'system' && {
      node: await storeInput(options, options.node),
      agent: await storeInput(options, options.agent),
    }),
  }
  const text = printLock(lock)
  await sys.disk.writeDurably(join(folder, lockName), text)
  return { lock, text }
}

async function findArchive({ sys, keyring = debianKeyring }: LockOptions, { spec }: Definition) {
  const mirrors = await findMirrors(sys, spec.base)
  return { sys, suite: spec.base.debian, architecture: spec.arch, mirrors, keyring }
}

/** One folder for each set of sources: apt takes indexes of other sources for its own. */
function stateOf(
  { stateFolder }: LockOptions,
  { suite, architecture, mirrors }: Pick<AptOptions, 'suite' | 'architecture' | 'mirrors'>,
): string {
  return join(stateFolder, 'apt', digestOf(JSON.stringify([suite, architecture, mirrors])).slice(7, 23))
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
