import { join } from 'node:path'
import { type Digest, parseDigest } from '../core/index.ts'
import type { StoreBlobs } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { runScript } from './chamber.ts'

/** A layer in the store. */
export interface Layer {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Of the tar before compression (image-spec, "Layer DiffID"). */
  readonly diffId: Digest
}

/**
 * tar in the order of names, without the times that are not content; gzip without name and time. The image's own tar
 * and gzip, not Node's zlib: what zlib makes differs between processors.
 */
const script = `
cd /run/ashlar/out
mkfifo tar
sha256sum < tar > diff-id &
tar --create --directory=/run/ashlar/tree --format=pax --sort=name --numeric-owner \
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
  --xattrs --xattrs-include=security.capability . | tee tar | gzip -n -1 > layer.tar.gz
wait $!
rm tar
`

/** Packs a tree into a layer with the programs of `root`, a tree that has the essential packages. */
export async function makeLayer(
  sys: Sys,
  blobs: StoreBlobs,
  options: {
    readonly root: string
    readonly tree: string
    readonly scratch: string
    readonly epochSeconds: number
  },
): Promise<Layer> {
  const { root, tree, scratch, epochSeconds } = options
  const binds = [
    { source: tree, name: 'tree' },
    { source: scratch, name: 'out', writable: true },
  ]
  await runScript(sys, { root, epochSeconds, binds }, script)
  const diffId = (await sys.disk.readFile(join(scratch, 'diff-id'), 'utf8')).slice(0, 64)
  const file = await sys.disk.open(join(scratch, 'layer.tar.gz'), 'r')
  const { digest, sizeBytes } = await blobs.ingest(file.createReadStream())
  return { digest, sizeBytes, diffId: parseDigest(`sha256:${diffId}`) }
}
