import { join } from 'node:path'
import { AshlarError, digestHex, type LockedPackage, type Progress } from '../core/index.ts'
import { type BlobReader, type BlobWriter, verifying } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import type { Apt } from './apt.ts'
import { readDebianPackage } from './debian-package.ts'
import { BuildError } from './errors.ts'
import { downloadsMax } from './limits.ts'
import { eachOf } from './pool.ts'

export interface FetchOptions {
  readonly sys: Sys
  readonly apt: Apt
  readonly blobs: BlobReader & BlobWriter
  /** Where a file lies until it was checked. */
  readonly folder: string
  readonly progress: Progress
}

/** Brings every package into the store that is not there yet. @throws BuildError `hash-mismatch`, `archive-unreachable`, `archive-hostile` */
export async function fetchPackages(
  packages: readonly LockedPackage[],
  options: FetchOptions,
): Promise<void> {
  const missing = await missingOf(packages, options.blobs)
  const total = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let done = 0
  const step = { step: 'fetch packages', total, unit: 'bytes' } as const
  options.progress({ ...step, done })
  await options.sys.disk.mkdir(options.folder, { recursive: true })
  await eachOf(missing, downloadsMax, async (wanted) => {
    await fetchPackage(wanted, options)
    done += wanted.sizeBytes
    options.progress({ ...step, done })
  })
}

async function missingOf(
  packages: readonly LockedPackage[],
  blobs: BlobReader,
): Promise<readonly LockedPackage[]> {
  const byDigest = new Map(packages.map((wanted) => [wanted.digest, wanted]))
  const missing: LockedPackage[] = []
  for (const wanted of byDigest.values()) if (!(await holdsWhole(blobs, wanted))) missing.push(wanted)
  return missing
}

/** Whether the store's copy is there and every byte of it is right: a lock mends what a disk or a hand has altered. */
export async function holdsWhole(
  blobs: BlobReader,
  { digest, sizeBytes }: Pick<LockedPackage, 'digest' | 'sizeBytes'>,
): Promise<boolean> {
  if ((await blobs.stat(digest))?.sizeBytes !== sizeBytes) return false
  try {
    for await (const _ of blobs.read(digest));
    return true
  } catch (error) {
    if (error instanceof AshlarError && error.code === 'digest-mismatch') return false
    throw error
  }
}

async function fetchPackage(wanted: LockedPackage, options: FetchOptions): Promise<void> {
  const { sys, apt, blobs, folder } = options
  const file = join(folder, `${digestHex(wanted.digest)}.deb`)
  try {
    await apt.download(wanted.archive, wanted.path, file)
    // Judged when its digest is known to be right, before it is stored: what a store has was judged.
    await storeFile(sys, blobs, wanted, file, () => readDebianPackage(sys, file, wanted))
  } catch (cause) {
    if (!(cause instanceof AshlarError) || !/^(?:digest|size)-mismatch$/.test(cause.code)) throw cause
    throw new BuildError(
      'hash-mismatch',
      `${wanted.name} ${wanted.version} is not what the archive's index says`,
      {
        where: wanted.path,
        hint: 'the mirror holds a broken file: try another mirror (spec.base.mirrors)',
        cause,
      },
    )
  } finally {
    await sys.disk.rm(file, { force: true })
  }
}

/** Stores a local file under the digest that it must have, unless `judge` throws. */
export async function storeFile(
  sys: Sys,
  blobs: BlobWriter,
  wanted: Pick<LockedPackage, 'digest' | 'sizeBytes'>,
  file: string,
  judge: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  const handle = await sys.disk.open(file, 'r')
  const judged = async function* () {
    yield* verifying(handle.createReadStream({ autoClose: false }), wanted, file)
    await judge()
  }
  try {
    await blobs.write(wanted.digest, wanted.sizeBytes, judged())
  } finally {
    await handle.close()
  }
}
