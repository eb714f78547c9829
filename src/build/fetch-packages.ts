import { join } from 'node:path'
import { AshlarError, digestHex, type LockedPackage, type Progress } from '../core/index.ts'
import { type BlobReader, type BlobWriter, isAlive, verifying } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import type { Apt } from './apt.ts'
import { readDebianPackage } from './debian-package.ts'
import { BuildError } from './errors.ts'
import { downloadsMax, mismatchesMax } from './limits.ts'
import { eachOf } from './pool.ts'

export interface FetchOptions {
  readonly sys: Sys
  readonly apt: Apt
  readonly blobs: BlobReader & BlobWriter
  /** Where a file lies until it was checked. */
  readonly folder: string
  readonly progress: Progress
  readonly note: (text: string) => void
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
  await takeOver(missing, options)
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

/** What a killed lock had fetched of a package that is still wanted is gone on with; the rest of it is removed. */
async function takeOver(
  missing: readonly LockedPackage[],
  { sys, folder }: Pick<FetchOptions, 'sys' | 'folder'>,
): Promise<void> {
  const wanted = new Set(missing.map(({ digest }) => `${digestHex(digest)}.deb`))
  await sys.disk.mkdir(folder, { recursive: true })
  for (const file of await sys.disk.readdir(folder)) {
    const [, pid, name = ''] = /^(\d+)\.(.*)$/.exec(file) ?? []
    if (pid !== undefined && Number(pid) !== process.pid && isAlive(sys, Number(pid))) continue
    if (wanted.has(name)) await sys.disk.rename(join(folder, file), join(folder, `${process.pid}.${name}`))
    else await sys.disk.rm(join(folder, file), { recursive: true })
  }
}

/** What arrived stays where a mirror fails, for the next attempt; what is wrong goes. */
async function fetchPackage(wanted: LockedPackage, options: FetchOptions): Promise<void> {
  const { name, version, digest, path } = wanted
  const file = join(options.folder, `${process.pid}.${digestHex(digest)}.deb`)
  for (let attempt = 1; ; attempt++) {
    await options.apt.download(wanted, file)
    try {
      return await takeIn(wanted, options, file)
    } catch (cause) {
      if (!(cause instanceof AshlarError) || !/^(?:digest|size)-mismatch$/.test(cause.code)) throw cause
      const what = `${name} ${version} is not what the archive's index says`
      const hint = 'the mirror holds a broken file: try another mirror (spec.base.mirrors)'
      if (attempt === mismatchesMax) throw new BuildError('hash-mismatch', what, { where: path, hint, cause })
      // A proxy may have spoilt it, or it changed on the mirror while it was fetched in pieces.
      options.note(`${what}; it is fetched once more`)
    }
  }
}

async function takeIn(wanted: LockedPackage, { sys, blobs }: FetchOptions, file: string): Promise<void> {
  try {
    // Judged when its digest is known to be right, before it is stored: what a store has was judged.
    await storeFile(sys, blobs, wanted, file, () => readDebianPackage(sys, file, wanted))
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
