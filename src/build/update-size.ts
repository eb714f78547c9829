import type { Architecture, Digest } from '../core/index.ts'
import {
  blockBytes,
  HeldBlocks,
  leavesOfTree,
  planUpdate,
  readFrameTable,
  readHashTree,
  updateBytes,
} from '../disk/index.ts'
import { OciError, type OciRelease, parseManifest, type Repository, readRelease } from '../oci/index.ts'

/** What it takes to come from one release to another. */
export interface UpdateSize {
  readonly from: { readonly digest: Digest; readonly version: string }
  /** What who has the one must fetch for the other: a node by the plan of its agent, a container engine by layers. */
  readonly bytes: number
  readonly ofBytes: number
}

/** The releases of an image that have a tag and a counter of `counter` at most, the greatest first. */
export async function releasesUpTo(repository: Repository, counter: number): Promise<readonly OciRelease[]> {
  const found: OciRelease[] = []
  for (const tag of await repository.tags()) {
    const manifest = await repository.manifest(tag)
    const release = manifest && (await readRelease(repository, manifest.digest).catch(unreadable))
    if (release !== undefined && release.document.counter <= counter) found.push(release)
  }
  return found.toSorted((a, b) => b.document.counter - a.document.counter)
}

/** An old release that was damaged where it lies is no reason not to build a new one; `ashlar fsck` finds it. */
function unreadable(error: unknown): undefined {
  if (error instanceof OciError) return undefined
  throw error
}

/** Undefined where the two are not of one form. */
export async function updateSize(
  repository: Repository,
  from: OciRelease,
  to: OciRelease,
  architecture: Architecture,
): Promise<UpdateSize | undefined> {
  if (from.document.form !== to.document.form) return undefined
  const measure = to.document.form === 'system' ? diskBytes : imageBytes
  const sizes = await measure(repository, from, to, architecture)
  if (sizes === undefined) return undefined
  return { from: { digest: from.digest, version: from.document.version }, ...sizes }
}

type Sizes = Pick<UpdateSize, 'bytes' | 'ofBytes'>

async function diskBytes(
  { blobs }: Repository,
  from: OciRelease,
  to: OciRelease,
  architecture: Architecture,
): Promise<Sizes | undefined> {
  const [old, disk] = [from.disk(architecture), to.disk(architecture)]
  const [oldForm, form] = [from.document.disks[architecture], to.document.disks[architecture]]
  if (old === undefined || oldForm === undefined || disk === undefined || form === undefined) return undefined
  const ofBytes = disk.root.size + Object.values(to.files).reduce((sum, file) => sum + file.length, 0)
  const frames = await readFrameTable(blobs, disk.root, form.root.sizeBytes)
  if (frames === undefined) return { bytes: ofBytes, ofBytes }
  const leavesOf = async (of: typeof disk, { verity, root }: typeof form) =>
    leavesOfTree(await readHashTree(blobs, of.verity, verity), root.sizeBytes / blockBytes)
  const held = new HeldBlocks(await leavesOf(old, oldForm))
  const plan = planUpdate(frames, await leavesOf(disk, form), held)
  const sizes = { rootBytes: disk.root.size, verityBytes: disk.verity.size }
  const fetched = (plan && updateBytes(plan, sizes)) ?? disk.root.size
  return { bytes: ofBytes - disk.root.size + fetched, ofBytes }
}

async function imageBytes(
  repository: Repository,
  from: OciRelease,
  to: OciRelease,
  architecture: Architecture,
): Promise<Sizes | undefined> {
  const blobsOf = async (release: OciRelease) => {
    const descriptor = release.image(architecture)
    const bytes = descriptor && (await repository.manifest(descriptor.digest))
    if (bytes === undefined) return undefined
    const { config, layers } = parseManifest(bytes.bytes)
    return [descriptor, config, ...layers].filter((blob) => blob !== undefined)
  }
  const [old, blobs] = [await blobsOf(from), await blobsOf(to)]
  if (old === undefined || blobs === undefined) return undefined
  const held = new Set(old.map(({ digest }) => digest))
  const sum = (all: typeof blobs) => all.reduce((bytes, { size }) => bytes + size, 0)
  return { bytes: sum(blobs.filter(({ digest }) => !held.has(digest))), ofBytes: sum(blobs) }
}
