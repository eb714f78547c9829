import { join } from 'node:path'
import {
  type Architecture,
  type Digest,
  digestHex,
  isLoopback,
  type LockedBase,
  parseReference,
  printReference,
} from '../../core/index.ts'
import { digestOf, parseAnyManifest } from '../../oci/index.ts'
import { BuildError } from '../errors.ts'
import { baseTimeoutMs } from '../limits.ts'
import { makeWorkFolder } from '../workshop/index.ts'
import { holdsWhole, storeFile } from './fetch-packages.ts'
import type { LockOptions } from './lock-options.ts'

/**
 * What each name stands for today, as one image of the architecture, fetched whole into the store. skopeo asks, with the
 * host's own settings and logins for registries; every byte it brings is stored under the digest that it must have.
 * @throws BuildError `base-unreachable`, `base-unfit`
 */
export async function lockBases(
  options: LockOptions,
  names: readonly string[],
  architecture: Architecture,
): Promise<LockedBase[]> {
  const bases: LockedBase[] = []
  for (const name of names) {
    options.progress({ step: 'fetch base images', done: bases.length, total: names.length, unit: 'items' })
    const bytes = await manifestOf(options, name, architecture)
    const { manifest } = requireManifest(name, bytes)
    const blobs = [manifest.config, ...manifest.layers].map(({ digest, size }) => ({
      digest,
      sizeBytes: size,
    }))
    const base = { name, digest: digestOf(bytes), sizeBytes: bytes.length, blobs }
    await fetchBase(options, base)
    bases.push(base)
  }
  return bases
}

/** Brings into the store what it lacks of a locked image, or holds damaged. @throws BuildError `base-unreachable` */
export async function fetchBase(options: LockOptions, base: LockedBase): Promise<void> {
  const { sys, store, stateFolder } = options
  const missing: LockedBase['blobs'] = []
  for (const blob of [base, ...base.blobs]) if (!(await holdsWhole(store, blob))) missing.push(blob)
  if (missing.length === 0) return
  const work = await makeWorkFolder(sys, join(stateFolder, 'bases'))
  try {
    const folder = join(work, 'image')
    const { registry } = parseReference(base.name)
    const insecure = isPlain(registry) ? ['--src-tls-verify=false'] : []
    await skopeo(options, base.name, [
      'copy',
      '--quiet',
      '--preserve-digests',
      ...insecure,
      sourceAt(base.name, base.digest),
      `dir:${folder}`,
    ])
    for (const blob of missing)
      await storeFile(
        sys,
        store,
        blob,
        join(folder, blob.digest === base.digest ? 'manifest.json' : digestHex(blob.digest)),
      )
  } finally {
    await sys.disk.rm(work, { recursive: true, force: true })
  }
}

async function manifestOf(
  options: LockOptions,
  name: string,
  architecture: Architecture,
): Promise<Uint8Array> {
  const bytes = await inspect(options, name)
  const parsed = parseAnyManifest(bytes)
  if (parsed.is === 'manifest') return bytes
  const one = parsed.index.manifests.find(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
  )
  if (one === undefined)
    throw new BuildError('base-unfit', `${name} is no image for linux/${architecture}`, {
      where: name,
      hint: 'name another base image, or change spec.arch',
    })
  return await inspect(options, name, one.digest)
}

async function inspect(options: LockOptions, name: string, digest?: Digest): Promise<Uint8Array> {
  const insecure = isPlain(parseReference(name).registry) ? ['--tls-verify=false'] : []
  const { stdout } = await skopeo(options, name, ['inspect', '--raw', ...insecure, sourceAt(name, digest)])
  const wanted = digest ?? parseReference(name).digest
  if (wanted === undefined || digestOf(stdout) === wanted) return stdout
  throw new BuildError('base-unfit', `the registry answers for ${name} with another manifest`, {
    where: name,
  })
}

function requireManifest(name: string, bytes: Uint8Array) {
  const parsed = parseAnyManifest(bytes)
  if (parsed.is === 'manifest') return parsed
  throw new BuildError('base-unfit', `${name} is an index of indexes`, { where: name })
}

/** A registry on this host needs no TLS: what is sent to it never leaves. */
function isPlain(registry = ''): boolean {
  return isLoopback(registry.replace(/:\d+$/, ''))
}

function sourceAt(name: string, digest?: Digest): string {
  const { tag: _, ...place } = parseReference(name)
  return `docker://${digest === undefined ? name : printReference({ ...place, digest })}`
}

async function skopeo({ sys }: LockOptions, name: string, args: readonly string[]) {
  const result = await sys.exec.run('skopeo', args, { timeoutMs: baseTimeoutMs })
  if (result.exitCode === 0) return result
  const words = /msg="?(.*?)"?$/m.exec(result.stderr.trim())?.[1] ?? result.stderr.trim()
  throw new BuildError('base-unreachable', `the base image ${name} cannot be fetched: ${words}`, {
    where: name,
    hint: `try it by hand: skopeo inspect --raw docker://${name}`,
  })
}
