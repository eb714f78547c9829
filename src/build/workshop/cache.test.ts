import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import { cacheKey, listCache, openCache, removeEntries, unusedEntries } from './cache.ts'
import { eachOf, together } from './pool.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-cache-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const key = cacheKey('initrd', ['input'])
/** Makes an entry of one file; its value is the text, too. */
const writing = (text: string) => async (path: string) => {
  writeFileSync(join(path, 'file'), text)
  return text
}
const open = (use = true) => openCache(realSys, folder, use)
const fileOf = (entry: { folder: string }) => readFileSync(join(entry.folder, 'file'), 'utf8')
const entriesIn = (path: string) => readdirSync(join(folder, path))

test('keys differ with the recipe and with each part', () => {
  const keys = [cacheKey('node', [1]), cacheKey('agent', [1]), cacheKey('node', [2])]
  expect(new Set(keys).size).toBe(3)
})

test('an entry is made once, also when it is asked for twice at once', async () => {
  const cache = await open()
  const both = await Promise.all([
    cache.entry(key, 'text', writing('first')),
    cache.entry(key, 'text', writing('second')),
  ])
  await cache.close()
  expect(both.map(({ value }) => value)).toEqual(['first', 'first'])
  const again = await (await open()).entry(key, 'text', writing('third'))
  expect([again.value, fileOf(again)]).toEqual(['first', 'first'])
})

test('an entry that could not be made whole is not there', async () => {
  const cache = await open()
  const failing = cache.entry(key, 'text', async (path) => {
    writeFileSync(join(path, 'half'), '')
    throw new Error('on the way')
  })
  await expect(failing).rejects.toThrow('on the way')
  await cache.close()
  expect(entriesIn('entries')).toEqual([])
  expect(entriesIn('work')).toEqual([])
})

test('without the cache an entry is made anew and replaces the old one', async () => {
  await (await open()).entry(key, 'text', writing('old'))
  expect((await (await open(false)).entry(key, 'text', writing('new'))).value).toBe('new')
  expect(fileOf(await (await open()).entry(key, 'text', writing('newer')))).toBe('new')
})

test.each([
  ['a file was altered', 'file', 'firsT'],
  ['a file was cut', 'file', 'fir'],
  ['the record of its files was altered', 'entry.json', '{}'],
])('an entry is made anew when %s', async (_, name, text) => {
  const { folder: made } = await (await open()).entry(key, 'text', writing('first'))
  writeFileSync(join(made, name), text)
  expect(fileOf(await (await open()).entry(key, 'text', writing('second')))).toBe('second')
})

test('what is made in place of a damaged entry is there for the next build, also where its record is the same', async () => {
  const { folder: made } = await (await open()).entry(key, 'text', writing('first'))
  writeFileSync(join(made, 'file'), 'firsT')
  const second = await open()
  expect(fileOf(await second.entry(key, 'text', writing('first')))).toBe('first')
  await second.close()
  const never = async () => {
    throw new Error('it is there')
  }
  expect(fileOf(await (await open()).entry(key, 'text', never))).toBe('first')
})

test('an entry is made anew when a file of it is gone', async () => {
  const { folder: made } = await (await open()).entry(key, 'text', writing('first'))
  rmSync(join(made, 'file'))
  expect(fileOf(await (await open()).entry(key, 'text', writing('second')))).toBe('second')
})

test('a value that no longer stands is made anew', async () => {
  const ask = async (value: number, holds: boolean) =>
    (
      await (
        await open()
      ).entry(
        key,
        'number',
        async () => value,
        async () => holds,
      )
    ).value
  expect([await ask(1, true), await ask(2, true), await ask(3, false), await ask(4, true)]).toEqual([
    1, 1, 3, 3,
  ])
})

test('two builds at once make an entry each, and both have what they made', async () => {
  const [one, other] = await Promise.all([open(), open()])
  const entries = await Promise.all([
    one.entry(key, 'text', writing('same')),
    other.entry(key, 'text', writing('same')),
  ])
  expect(entries.map(fileOf)).toEqual(['same', 'same'])
  await one.close()
  await other.close()
  expect(entriesIn('entries')).toHaveLength(1)
})

test('two builds at once that make an entry differently keep each what it has made', async () => {
  const [one, other] = await Promise.all([open(), open()])
  const entries = await Promise.all([
    one.entry(key, 'text', writing('one')),
    other.entry(key, 'text', writing('other')),
  ])
  expect(entries.map(fileOf)).toEqual(['one', 'other'])
  await one.close()
  await other.close()
  expect(entriesIn('entries')).toHaveLength(1)
})

test('what was longest unused is removed, down to the limit, and nothing that a build at work has used', async () => {
  const keys = ['a', 'b', 'c'].map((name) => cacheKey('node', [name]))
  const cache = await open()
  for (const each of keys) await cache.entry(each, 'text', writing('ten bytes.'))
  for (const [age, each] of keys.entries()) {
    const { folder: made } = await cache.entry(each, 'text', writing(''))
    utimesSync(join(made, 'entry.json'), age, age)
  }
  await cache.close()
  mkdirSync(join(folder, 'entries/not-ours'))
  const rows = await listCache(realSys, folder)
  expect(rows.map((row) => row.key)).toEqual(keys.toReversed())
  const largest = Math.max(...rows.map((row) => row.sizeBytes))

  const prune = async (bytesMax: number) => {
    const unused = await unusedEntries(realSys, folder, bytesMax)
    await removeEntries(realSys, folder, unused)
    return unused.map((row) => row.key)
  }
  const atWork = await open()
  await atWork.entry(keys[0] ?? key, 'text', writing(''))
  expect(await prune(largest)).toEqual([keys[2], keys[1]])
  expect(await prune(0)).toEqual([])
  await atWork.close()
  expect(await prune(0)).toEqual([keys[0]])
  expect(entriesIn('entries')).toEqual(['not-ours'])
})

test('what a killed build left is removed, what a living one has is not', async () => {
  const alive = await openCache(realSys, folder, true)
  const scratch = await alive.scratch('mine')
  // No process has a number above the kernel's largest (proc(5), pid_max).
  const dead = join(folder, 'work', '5000000.left')
  mkdirSync(dead)
  await openCache(realSys, folder, true)
  expect(existsSync(dead)).toBe(false)
  expect(existsSync(scratch)).toBe(true)
})

test('no more than so many at a time, and the first failure is thrown', async () => {
  let running = 0
  let most = 0
  const work = async (item: number) => {
    running++
    most = Math.max(most, running)
    await new Promise(setImmediate)
    running--
    if (item === 3) throw new Error('third')
  }
  await expect(eachOf([1, 2, 3, 4, 5, 6, 7, 8], 2, work)).rejects.toThrow('third')
  expect(most).toBe(2)
  expect(running).toBe(0)
})

test('a failure waits for the others', async () => {
  let ended = false
  const slow = new Promise(setImmediate).then(() => {
    ended = true
  })
  await expect(together([Promise.reject(new Error('fast')), slow])).rejects.toThrow('fast')
  expect(ended).toBe(true)
})
