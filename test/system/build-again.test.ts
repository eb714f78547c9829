import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Digest, parseLock } from '../../src/core/index.ts'
import { openContentStore, parseManifest, readRelease } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import type { DebianArchive } from '../../src/testing/index.ts'
import { runCommand } from './faults/command.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

// What a change of the definition costs who runs the release before it.

let folder: string
let definition: string
let archive: DebianArchive
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-again-'))
  archive = await tinyArchive(join(folder, 'archive'), { extra: {} })
  definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
  mkdirSync(join(definition, 'rootfs'))
  writeFileSync(join(definition, 'rootfs/page'), 'one')
  rewrite('  run:', '  files: [{ from: rootfs/, to: /usr/share/page }]\n  run:')
  await lock()
})
afterAll(async () => {
  await archive.close()
  rmSync(folder, { recursive: true })
})

const data = () => join(folder, 'data')

function rewrite(from: string, to: string): void {
  const file = join(definition, 'ashlar.yaml')
  const text = readFileSync(file, 'utf8')
  expect(text).toContain(from)
  writeFileSync(file, text.replace(from, to))
}

async function lock() {
  await runCommand(['lock', definition], { data: data(), keyring: archive.keyring })
  return parseLock(readFileSync(join(definition, 'ashlar.lock'), 'utf8'), 'ashlar.lock')
}

interface Built {
  readonly digest: Digest
  readonly update?: {
    readonly from: { readonly digest: Digest }
    readonly bytes: number
    readonly ofBytes: number
  }
}

async function build(): Promise<Built> {
  const { stdout, stderr } = await runCommand(['build', definition, '--json'], { data: data() })
  expect(stdout, stderr).not.toBe('')
  return JSON.parse(stdout)
}

/** Of the image: its manifest, its configuration and its layers. */
async function blobsOf(release: Digest) {
  const repository = (await openContentStore(realSys, join(data(), 'store'))).repository('small')
  const image = (await readRelease(repository, release)).image('amd64')
  const manifest = image && (await repository.manifest(image.digest))
  if (image === undefined || manifest === undefined) throw new Error('the release has no image')
  const { config, layers } = parseManifest(manifest.bytes)
  return { layers, own: image.size + config.size }
}

test('a changed file leaves every other layer, and the build says what is left to fetch', async () => {
  const before = await build()
  rewrite('version: 1.0.0', 'version: 1.1.0')
  writeFileSync(join(definition, 'rootfs/page'), 'two')
  const after = await build()

  const [old, fresh] = [await blobsOf(before.digest), await blobsOf(after.digest)]
  expect(old.layers.length).toBeGreaterThan(2)
  expect(fresh.layers.slice(0, -1)).toEqual(old.layers.slice(0, -1))
  const last = fresh.layers.at(-1)
  expect(last?.digest).not.toBe(old.layers.at(-1)?.digest)
  expect(after.update).toEqual({
    from: { digest: before.digest, version: '1.0.0' },
    bytes: fresh.own + (last?.size ?? 0),
    ofBytes: fresh.own + fresh.layers.reduce((sum, { size }) => sum + size, 0),
  })
})

test('a package more leaves the layers of those that were there, as the lock before split them', async () => {
  const before = parseLock(readFileSync(join(definition, 'ashlar.lock'), 'utf8'), 'ashlar.lock')
  const old = await blobsOf((await build()).digest)
  rewrite('["hello"]', '["hello","extra"]')
  const after = await lock()
  expect(after.layers.slice(0, before.layers.length)).toEqual(before.layers)
  expect(after.layers.flat()).toContain('extra')
  const fresh = await blobsOf((await build()).digest)
  expect(fresh.layers.slice(0, before.layers.length)).toEqual(old.layers.slice(0, before.layers.length))
})
