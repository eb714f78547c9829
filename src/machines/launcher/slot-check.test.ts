import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestFromHex } from '../../core/index.ts'
import { diskPath, sealSlot } from '../../disk/index.ts'
import { digestOf, openContentStore, readRelease } from '../../oci/index.ts'
import { realSys, type Sys } from '../../sys/index.ts'
import { type ReleaseFixture, releaseFixture } from '../../testing/index.ts'
import { SlotChecker } from './slot-check.ts'

let work: string
let release: ReleaseFixture
let reads: number
let checker: SlotChecker
const image = () => join(work, 'disk', diskPath.root('a'))

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-slot-'))
  const repository = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  release = await releaseFixture(repository)
  mkdirSync(join(work, 'disk/a'), { recursive: true })
  writeFileSync(image(), release.root)
  await sealSlot(realSys.disk, join(work, 'disk'), 'a', (await readRelease(repository, release.digest)).files)
  reads = 0
  const open: Sys['disk']['open'] = async (...args) => {
    const file = await realSys.disk.open(...args)
    const read = file.read.bind(file) as (...given: unknown[]) => ReturnType<typeof file.read>
    return Object.assign(file, {
      read: (...given: unknown[]) => {
        reads += 1
        return read(...given)
      },
    })
  }
  checker = new SlotChecker({ ...realSys, disk: { ...realSys.disk, open } }, join(work, 'disk'), 'amd64')
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

const check = () => checker.check('a', release.digest)

describe('a slot before its boot', () => {
  test('is good when its image is what the release names, and is not read again while it is the same file', async () => {
    expect(await check()).toMatchObject({ is: 'good', root: digestOf(release.root) })
    const once = reads
    expect(await check()).toMatchObject({ is: 'good' })
    expect(reads).toBe(once)
  })

  const altered = (): Buffer => {
    const bytes = Buffer.from(release.root)
    bytes[1_000] = (bytes[1_000] ?? 0) ^ 1
    return bytes
  }

  test.each<[string, () => Promise<unknown>]>([
    ['one bit was changed in place', () => writeFile(image(), altered(), { flag: 'r+' })],
    [
      'another file was put in its place with the same size and time',
      async () => {
        const { mtime, atime } = await realSys.disk.stat(image())
        await writeFile(`${image()}.new`, altered())
        utimesSync(`${image()}.new`, atime, mtime)
        await rename(`${image()}.new`, image())
      },
    ],
    [
      'it was changed and its times were set back',
      async () => {
        const { mtime, atime } = await realSys.disk.stat(image())
        await writeFile(image(), altered(), { flag: 'r+' })
        utimesSync(image(), atime, mtime)
      },
    ],
    ['it was cut short', () => realSys.disk.truncate(image(), 100)],
    ['it is gone', () => realSys.disk.rm(image())],
  ])('is bad when, after it was found good, %s', async (_, change) => {
    expect(await check()).toMatchObject({ is: 'good' })
    await change()
    expect(await check()).toMatchObject({ is: 'bad', reason: { code: 'root-digest-mismatch' } })
  })

  test.each<[string, () => Promise<unknown>]>([
    [
      'a byte of its release files is another',
      () => writeFile(join(work, 'disk/a/release/document.json.gz'), 'x'),
    ],
    ['its release files are gone', () => realSys.disk.rm(join(work, 'disk/a/release'), { recursive: true })],
  ])('is bad when %s', async (_, change) => {
    await change()
    expect(await check()).toMatchObject({ is: 'bad', reason: { code: 'release-files-damaged' } })
  })

  test('is bad for an entry that names another release', async () => {
    const other = digestFromHex('0'.repeat(64))
    expect(await checker.check('a', other)).toMatchObject({
      is: 'bad',
      reason: { code: 'release-files-damaged' },
    })
  })
})
