import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestHex, type LockedPackage, noProgress } from '../../core/index.ts'
import { digestOf, openContentStore } from '../../oci/index.ts'
import { realSys, type Sys } from '../../sys/index.ts'
import { craftPackage, craftTar } from '../../testing/index.ts'
import { fetchPackages } from './fetch-packages.ts'

const bytes = craftPackage(craftTar([{ name: './' }]))
const hello: LockedPackage = {
  ...{ name: 'hello', version: '1.0', architecture: 'all', source: 'hello', archive: 'debian' },
  ...{ path: 'pool/hello.deb', digest: digestOf(bytes), sizeBytes: bytes.length },
}
/** Greater than any process number: nobody has it. */
const killed = 2 ** 22 + 1

let folder: string
let downloads: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-fetch-'))
  downloads = join(folder, 'downloads')
  mkdirSync(downloads)
  for (const name of [digestHex(hello.digest), 'f'.repeat(64)])
    writeFileSync(join(downloads, `${killed}.${name}.deb`), bytes.subarray(0, 100))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Fetches the package; what lay in the download's place before is returned. */
async function fetchWith(sys: Sys): Promise<string[]> {
  const before: string[] = []
  const { blobs } = await openContentStore(sys, join(folder, 'store'))
  const download = async (_: unknown, target: string) => {
    before.push(...readdirSync(downloads).filter((name) => name === basename(target)))
    writeFileSync(target, bytes)
  }
  const note = () => undefined
  await fetchPackages([hello], {
    ...{ sys, apt: { download }, blobs, folder: downloads, progress: noProgress, note },
  })
  expect(readFileSync(blobs.path(hello.digest))).toEqual(bytes)
  expect(readdirSync(downloads)).toEqual([])
  return before
}

test('what a killed lock had fetched of a package is gone on with, and what nobody wants goes', async () => {
  expect(await fetchWith(realSys)).toHaveLength(1)
})

test('what another lock takes over of a killed one, while this one looks, is none of this one’s', async () => {
  const readdir = async (path: string) => {
    const names = readdirSync(path)
    if (path === downloads) for (const name of names) rmSync(join(path, name))
    return names
  }
  expect(await fetchWith({ ...realSys, disk: { ...realSys.disk, readdir } as Sys['disk'] })).toEqual([])
})
