import { createHash, generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type BuiltRelease, buildRelease, lockDefinition } from '../../../src/build/index.ts'
import { noProgress, parseLock } from '../../../src/core/index.ts'
import { type ContentStore, openContentStore } from '../../../src/oci/index.ts'
import { realSys } from '../../../src/sys/index.ts'

/** What the tests of the build share: fetched packages, a lock, made trees. Removing it only costs time. */
export const shared = process.env.ASHLAR_TEST_CACHE ?? join(tmpdir(), 'ashlar-test')
export const repository = resolve(import.meta.dirname, '../../..')
export const node = join(repository, `node_modules/node-linux-${process.arch}/bin/node`)
export const sharedStore = join(shared, 'store')
export const sharedCache = join(shared, 'cache')

/** A system with a file that has a capability (ping), a user, a service, and files of its own under /etc, /usr and /var. */
const definition = `apiVersion: ashlar/v1
kind: Image
metadata: { name: test-gateway, version: 1.0.0 }
spec:
  base: { debian: bookworm }
  packages: [nginx-light, ca-certificates, iproute2, iputils-ping]
  files: [{ from: rootfs/, to: / }, { from: state/, to: /var/lib/keeper, owner: "keeper:keeper" }]
  users: [{ name: keeper, uid: 2000, groups: [adm] }]
  services: [nginx]
  health: [{ name: web, http: "http://localhost/" }]
  trust: { release: { keys: [keys/test.pub] }, director: { keys: [keys/test.pub] } }
`

/** Files of the definition, by path; the order in which they are created may differ. */
const files: Readonly<Record<string, string>> = {
  'ashlar.yaml': definition,
  'rootfs/etc/motd': 'a test\n',
  'rootfs/usr/local/bin/hello': '#!/bin/sh\necho hello\n',
  'rootfs/var/www/html/index.html': 'a page\n',
  'rootfs/zz/last': 'z\n',
  'rootfs/aa/first': 'a\n',
  'state/data file': 'data\n',
}

/** Makes the definition's folder, its files created in the given order. */
export function makeDefinition(folder: string, order: 'forwards' | 'backwards' = 'forwards'): void {
  const all = { ...files, 'keys/test.pub': publicKey() }
  const paths = Object.keys(all).toSorted()
  for (const path of order === 'forwards' ? paths : paths.toReversed()) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), all[path as keyof typeof all], {
      mode: path.includes('/bin/') ? 0o755 : 0o644,
    })
  }
  if (existsSync(lockFile())) cpSync(lockFile(), join(folder, 'ashlar.lock'))
}

/** The store with all inputs, and a lock of the definition in `shared`; both are made where they are not there. */
export async function lockedStore(): Promise<ContentStore> {
  mkdirSync(shared, { recursive: true })
  const store = await openContentStore(realSys, sharedStore)
  if (await lockHolds(store)) return store
  const folder = mkdtempSync(join(shared, 'lock-'))
  try {
    makeDefinition(folder)
    const agent = join(folder, 'agent.js')
    writeFileSync(agent, 'process.exitCode = 1 // No node runs this image.\n')
    const input = { version: '0.0.0', file: agent }
    await lockDefinition({
      ...{
        sys: realSys,
        folder,
        store: store.blobs,
        stateFolder: join(shared, 'state'),
        progress: noProgress,
      },
      ...{ agent: input, node: { version: process.versions.node, file: node } },
    })
    cpSync(join(folder, 'ashlar.lock'), lockFile())
  } finally {
    rmSync(folder, { recursive: true })
  }
  return store
}

/** A build in this process, with the shared cache. */
export async function buildShared(store: ContentStore): Promise<BuiltRelease> {
  const folder = mkdtempSync(join(shared, 'definition-'))
  try {
    makeDefinition(folder)
    return await buildRelease({
      ...{ sys: realSys, folder, store, cacheFolder: sharedCache, useCache: true, progress: noProgress },
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function lockFile(): string {
  const digest = createHash('sha256').update(definition).digest('hex')
  return join(shared, `test-gateway-${digest.slice(0, 12)}.lock`)
}

async function lockHolds(store: ContentStore): Promise<boolean> {
  if (!existsSync(lockFile())) return false
  const lock = parseLock(readFileSync(lockFile(), 'utf8'))
  const inputs = [...lock.packages, ...lock.tools, lock.node, lock.agent]
  const found = await Promise.all(inputs.map((input) => input && store.blobs.stat(input.digest)))
  return found.every((stat) => stat !== undefined)
}

/** One key for all runs that share a cache, so that their releases are equal. */
function publicKey(): string {
  const file = join(shared, 'test.pub')
  if (!existsSync(file))
    writeFileSync(file, generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }))
  return readFileSync(file, 'utf8')
}
