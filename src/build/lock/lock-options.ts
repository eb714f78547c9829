import { join } from 'node:path'
import type { Definition, Digest, Progress } from '../../core/index.ts'
import { type BlobReader, type BlobWriter, digestOf } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { digestOfFile } from '../workshop/index.ts'
import type { Apt, AptOptions } from './apt.ts'
import { type FetchOptions, holdsWhole, storeFile } from './fetch-packages.ts'
import type { HostSettings } from './host-settings.ts'
import { findMirrors } from './mirrors.ts'

/** Where Debian keeps the keys that sign its archives. */
export const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

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
  /** Told in one line why something is tried again. */
  readonly note?: (text: string) => void
}

/** The apt of a definition's archives. */
export async function aptOptionsOf(
  { sys, stateFolder, keyring = debianKeyring, note = () => undefined }: LockOptions,
  { spec }: Definition,
  host: HostSettings,
): Promise<AptOptions> {
  const mirrors = await findMirrors(sys, spec.base)
  const sources = { suite: spec.base.debian, architecture: spec.arch, mirrors, keyring }
  // One folder for each set of sources: apt takes indexes of other sources for its own.
  const name = digestOf(JSON.stringify([spec.base.debian, spec.arch, mirrors])).slice(7, 23)
  return { sys, ...sources, hostSettings: host.kept, note, folder: join(stateFolder, 'apt', name) }
}

export function fetchOptionsOf(options: LockOptions, apt: Apt): FetchOptions {
  const { sys, store, stateFolder, progress, note = () => undefined } = options
  return { sys, apt, blobs: store, folder: join(stateFolder, 'downloads'), progress, note }
}

/** A file of this machine as an input: read once for its digest, and stored where the store has no whole copy. */
export async function storeInput(
  { sys, store }: LockOptions,
  input: InputFile,
): Promise<{ version: string; digest: Digest; sizeBytes: number }> {
  const content = await digestOfFile(sys, input.file)
  if (!(await holdsWhole(store, content))) await storeFile(sys, store, content, input.file)
  return { version: input.version, ...content }
}
