import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { noProgress } from '../../src/core/index.ts'
import { checkStore } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import type { DebianArchive } from '../../src/testing/index.ts'
import { runCommand } from './faults/command.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { type SmallDisk, smallDisk } from './faults/small-disk.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

let root: string
let archive: DebianArchive
/** A data folder after `ashlar lock`, and what a build with room makes of it. */
let locked: string
let definition: string
let digest: string
let disk: SmallDisk

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-faults-disk-'))
  archive = await tinyArchive(join(root, 'archive'))
  locked = join(root, 'locked')
  definition = defineContainer(join(root, 'definition'), archive.mirrors, ['hello'])
  const { keyring } = archive
  expect(await runCommand(['lock', definition], { data: locked, keyring })).toMatchObject({ exitCode: 0 })
  const roomy = join(root, 'roomy')
  cpSync(locked, roomy, { recursive: true })
  const built = await runCommand(['build', definition, '--json'], { data: roomy })
  digest = (JSON.parse(built.stdout) as { digest: string }).digest
})
afterAll(async () => {
  await archive.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => {
  disk = smallDisk(mkdtempSync(join(root, 'disk-')).concat('/disk'), 128)
})
afterEach(() => disk.remove())

/** What a person and a program are told, with the place. */
function expectDiskFull({ exitCode, stdout, stderr }: Awaited<ReturnType<typeof runCommand>>): void {
  expect(exitCode, stderr).toBe(74)
  const { error } = JSON.parse(stdout) as { error: { code: string; where?: string; hint?: string } }
  expect(error).toMatchObject({ code: 'disk-full', hint: expect.stringMatching(/df -h/) })
  expect(error.where ?? '', stderr).toContain(disk.folder)
}

async function expectNothingHalfWritten(data: string): Promise<void> {
  for (const name of ['store/incoming', 'cache/build/work'])
    if (existsSync(join(data, name))) expect(readdirSync(join(data, name)), name).toEqual([])
  rmSync(join(data, 'filler'))
  const { faults } = await checkStore(realSys, join(data, 'store'), { step: 'check', progress: noProgress })
  expect(faults).toEqual([])
}

test.each([
  ['the indexes are fetched', /apt-get update/],
  ['a package is fetched', /download-file.*hello_/],
  ['a package is taken into the store', /open .*store\/incoming/],
  ['the lock is written', /open .*ashlar\.lock\..*tmp/],
])('a disk that is full when %s', async (_, fillAt) => {
  const data = join(disk.folder, 'data')
  const own = defineContainer(join(disk.folder, 'definition'), archive.mirrors, ['hello'])
  writeFileSync(join(own, 'ashlar.lock'), 'an earlier lock')
  const { keyring } = archive
  const files = readdirSync(own)
  expectDiskFull(await runCommand(['lock', own, '--json'], { data, keyring, fillAt }))
  expect(readFileSync(join(own, 'ashlar.lock'), 'utf8')).toBe('an earlier lock')
  expect(readdirSync(own)).toEqual(files)
  await expectNothingHalfWritten(data)
  expect(await runCommand(['lock', own], { data, keyring })).toMatchObject({ exitCode: 0 })
  expect(readFileSync(join(own, 'ashlar.lock'), 'utf8')).toBe(
    readFileSync(join(definition, 'ashlar.lock'), 'utf8'),
  )
})

test.each([
  ['packages are taken from the store', /open .*blobs\/sha256/],
  ['packages are extracted', /spawn setpriv.*tar/],
  ['packages are installed', /spawn setpriv.*--unpack/],
  ['a layer is packed', /open .*\/layer\.tar$/],
  ['a layer is compressed', /spawn setpriv.*gzip/],
  ['a layer is taken into the store', /open .*layer\.tar\.gz/],
  ['its disk form is made', /writeFile .*\/image\.erofs/],
  ['what was made is noted in the cache', /writeFile .*\/entry\.json/],
  ['the release is tagged', /open .*index\.json\..*tmp/],
])('a disk that is full when %s', async (_, fillAt) => {
  const data = join(disk.folder, 'data')
  cpSync(locked, data, { recursive: true })
  expectDiskFull(await runCommand(['build', definition, '--json'], { data, fillAt }))
  await expectNothingHalfWritten(data)
  const again = await runCommand(['build', definition, '--json'], { data })
  expect(again, again.stderr).toMatchObject({ exitCode: 0 })
  expect(JSON.parse(again.stdout).digest).toBe(digest)
})
