import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestFromHex } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import {
  condemn,
  confirmedEntry,
  countDown,
  diskPath,
  markBad,
  putEntry,
  readDiskFolder,
  readSeal,
  removeEntry,
  renameEntry,
  requireFolders,
  sealSlot,
  slotsOf,
  trialEntry,
  writeWhy,
} from './index.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-disk-'))
  for (const path of ['a', 'b', diskPath.entries, diskPath.kept])
    mkdirSync(join(root, path), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const { disk } = realSys
const release = digestFromHex('ab'.repeat(32))
const names = () => readdirSync(join(root, diskPath.entries))

describe("a node's disk folder", () => {
  test('is empty at first', async () => {
    expect(await readDiskFolder(disk, root)).toEqual({ entries: [], held: {} })
    expect(await readSeal(disk, root, 'a')).toBeUndefined()
  })

  test('an entry goes through its life by renames, and a reason comes with it', async () => {
    const entry = trialEntry(4, release)
    await putEntry(disk, root, entry, { slot: 'b', release })
    expect(names()).toEqual(['4-abababababab+3.efi'])
    await renameEntry(disk, root, entry, countDown(entry))
    expect(names()).toEqual(['4-abababababab+2-1.efi'])
    const why = {
      code: 'health-check-failed',
      message: 'no',
      check: 'web',
      exitCode: 1,
      lastLines: ['a', 'b'],
    }
    await condemn(disk, root, countDown(entry), why)
    const { entries } = await readDiskFolder(disk, root)
    expect(entries).toEqual([
      { install: 4, release: 'abababababab', counter: { left: 0, done: 1 }, slot: 'b', digest: release, why },
    ])
    await removeEntry(disk, root, markBad(countDown(entry)))
    expect(await readDiskFolder(disk, root)).toEqual({ entries: [], held: {} })
    expect(readdirSync(join(root, diskPath.kept))).toEqual([])
  })

  test('renaming what is gone is an error; renaming to the same name is nothing', async () => {
    const entry = confirmedEntry(1, release)
    await expect(renameEntry(disk, root, trialEntry(1, release), entry)).rejects.toMatchObject({
      code: 'entry-gone',
    })
    await renameEntry(disk, root, entry, entry)
  })

  test('what a crash left beside the entries is passed over', async () => {
    writeFileSync(join(root, diskPath.entry('4-abababababab+3.efi.12.1.tmp')), '{')
    writeFileSync(join(root, diskPath.entry('readme.txt')), '')
    expect((await readDiskFolder(disk, root)).entries).toEqual([])
  })

  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"slot":"c"}',
    '{"slot":"a","release":"sha256:0"}',
    `{"slot":"a","release":"${digestFromHex('0'.repeat(64))}"}`,
  ])('an entry that says %j is passed over', async (text) => {
    writeFileSync(join(root, diskPath.entry('4-abababababab.efi')), text)
    expect((await readDiskFolder(disk, root)).entries).toEqual([])
  })

  test('a reason that cannot be read is still a reason: the entry stays bad', async () => {
    await putEntry(disk, root, markBad(trialEntry(4, release)), { slot: 'a', release })
    writeFileSync(join(root, diskPath.why(4)), '{')
    expect((await readDiskFolder(disk, root)).entries[0]?.why?.code).toBe('reason-unreadable')
  })

  test('files that the disk fails to read are no entry and no release, and a reason among them is still one', async () => {
    await putEntry(disk, root, markBad(trialEntry(4, release)), { slot: 'a', release })
    for (const path of [diskPath.entry('9-abababababab.efi'), diskPath.why(4), 'a/release/index.json'])
      mkdirSync(join(root, path), { recursive: true })
    expect(await readDiskFolder(disk, root)).toMatchObject({
      entries: [{ install: 4, why: { code: 'reason-unreadable' } }],
      held: {},
    })
  })

  test('a new entry begins without the reason that an earlier one of its number left behind', async () => {
    await writeWhy(disk, root, 4, { code: 'health-check-failed', message: 'another release did not answer' })
    await putEntry(disk, root, trialEntry(4, release), { slot: 'b', release })
    expect((await readDiskFolder(disk, root)).entries[0]?.why).toBeUndefined()
  })

  test.each([
    ['esp/ashlar', 'a link'],
    ['launcher', 'missing'],
    ['esp/EFI', 'a file'],
    ['a', 'a link'],
    ['b', 'missing'],
  ])('%s that is %s is no folder of a disk', async (path, is) => {
    mkdirSync(join(root, diskPath.talk))
    await expect(requireFolders(disk, root)).resolves.toBeUndefined()
    rmSync(join(root, path), { recursive: true })
    if (is === 'a link') symlinkSync(root, join(root, path))
    if (is === 'a file') writeFileSync(join(root, path), '')
    await expect(requireFolders(disk, root)).rejects.toMatchObject({ code: 'folder-malformed' })
  })

  test('a slot is whole from its seal on, and never half', async () => {
    const files = {
      index: Buffer.from('index'),
      manifest: Buffer.from('manifest'),
      document: Buffer.from('document'),
    }
    await sealSlot(disk, root, 'a', files)
    await sealSlot(disk, root, 'a', files)
    expect(await readSeal(disk, root, 'a')).toEqual(files)
    const { held } = await readDiskFolder(disk, root)
    expect(slotsOf({ entries: [], held }).a).toMatchObject({ is: 'staged' })
    rmSync(join(root, 'a/release/document.json.gz'))
    expect(await readSeal(disk, root, 'a')).toBeUndefined()
  })
})
