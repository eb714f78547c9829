import { join } from 'node:path'
import { AshlarError, digestHex, type LockedPackage, type Progress } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { type BlobReader, type BlobWriter, isAlive, verifying } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { readDebianPackage } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { downloadsMax, lookMs, mismatchesMax } from '../limits.ts'
import { eachOf } from '../workshop/index.ts'
import type { Apt } from './apt.ts'

export interface FetchOptions {
  readonly sys: Sys
  readonly apt: Pick<Apt, 'download'>
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
  const missing = await missingOf(packages, options)
  await takeOver(missing, options)
  const arrived = arrivalOf(missing, options)
  try {
    await eachOf(missing, downloadsMax, async (wanted) => {
      await fetchPackage(wanted, options)
      arrived.whole(wanted)
    })
  } finally {
    await arrived.end()
  }
}

async function missingOf(
  packages: readonly LockedPackage[],
  { blobs, progress }: FetchOptions,
): Promise<readonly LockedPackage[]> {
  const wanted = [...new Map(packages.map((one) => [one.digest, one])).values()]
  const missing: LockedPackage[] = []
  const kept: LockedPackage[] = []
  for (const one of wanted)
    ((await blobs.stat(one.digest))?.sizeBytes === one.sizeBytes ? kept : missing).push(one)
  const step = { step: 'check kept packages', total: sizeOf(kept), unit: 'bytes' } as const
  let done = 0
  for (const one of kept) {
    progress({ ...step, done })
    if (!(await holdsWhole(blobs, one))) missing.push(one)
    done += one.sizeBytes
  }
  progress({ ...step, done })
  return missing
}

function sizeOf(packages: readonly LockedPackage[]): number {
  return packages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

interface Arrival {
  whole(wanted: LockedPackage): void
  end(): Promise<void>
}

/** Tells how much has arrived, of the files under way too: a kernel is a third of it all, in one file. */
function arrivalOf(missing: readonly LockedPackage[], { sys, folder, progress }: FetchOptions): Arrival {
  const step = { step: 'fetch packages', total: sizeOf(missing), unit: 'bytes' } as const
  const ended = new AbortController()
  let [whole, told] = [0, 0]
  const tell = (done: number) => {
    // A file that was spoilt is begun again; nobody wants to see a step go back.
    told = Math.max(told, Math.min(done, step.total))
    progress({ ...step, done: told })
  }
  const look = async () => {
    while (!ended.signal.aborted) {
      const before = whole
      const partly = await sizesOf(sys, folder)
      if (before === whole && before + partly < step.total) tell(before + partly)
      await sys.clock.sleep(lookMs, ended.signal).catch(() => undefined)
    }
  }
  tell(0)
  const looking = look()
  return {
    whole(wanted) {
      whole += wanted.sizeBytes
      tell(whole)
    },
    async end() {
      ended.abort()
      await looking
    },
  }
}

/** Bytes of our files in the folder; one that goes away meanwhile counts for nothing. */
async function sizesOf(sys: Sys, folder: string): Promise<number> {
  const files = await sys.disk.readdir(folder).catch(() => [])
  const ours = files.filter((file) => file.startsWith(`${process.pid}.`))
  const sizes = await Promise.all(
    ours.map((file) =>
      sys.disk.stat(join(folder, file)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
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

/**
 * What a killed lock had fetched of a package that is still wanted is gone on with; the rest of it is removed. A lock
 * beside this one may be doing the same, and may have been first.
 */
async function takeOver(
  missing: readonly LockedPackage[],
  { sys, folder }: Pick<FetchOptions, 'sys' | 'folder'>,
): Promise<void> {
  const wanted = new Set(missing.map(({ digest }) => `${digestHex(digest)}.deb`))
  await sys.disk.mkdir(folder, { recursive: true })
  for (const file of await sys.disk.readdir(folder)) {
    const [, pid, name = ''] = /^(\d+)\.(.*)$/.exec(file) ?? []
    if (pid !== undefined && Number(pid) !== process.pid && isAlive(sys, Number(pid))) continue
    const left = join(folder, file)
    if (wanted.has(name)) await whenThere(sys.disk.rename(left, join(folder, `${process.pid}.${name}`)))
    else await sys.disk.rm(left, { recursive: true, force: true })
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
