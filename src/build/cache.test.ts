import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { cacheKey, openCache } from './cache.ts'
import { eachOf, together } from './pool.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-cache-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const key = cacheKey('recipe', ['input'])
const writing = (text: string) => async (path: string) => writeFileSync(join(path, 'file'), text)

test('keys differ with the recipe and with each part', () => {
  const keys = [cacheKey('a', [1]), cacheKey('b', [1]), cacheKey('a', [2])]
  expect(new Set(keys).size).toBe(3)
})

test('a tree is made once, also when it is asked for twice at once', async () => {
  const cache = await openCache(realSys, folder, true)
  const [first] = await Promise.all([cache.tree(key, writing('first')), cache.tree(key, writing('second'))])
  await cache.close()
  const again = await openCache(realSys, folder, true)
  expect(readFileSync(join(await again.tree(key, writing('third')), 'file'), 'utf8')).toBe('first')
  expect(first).toBe(await again.tree(key, writing('third')))
})

test('a tree that could not be made whole is not there', async () => {
  const cache = await openCache(realSys, folder, true)
  const failing = cache.tree(key, async (path) => {
    writeFileSync(join(path, 'half'), '')
    throw new Error('on the way')
  })
  await expect(failing).rejects.toThrow('on the way')
  await cache.close()
  expect(readdirSync(join(folder, 'trees'))).toEqual([])
  expect(readdirSync(join(folder, 'work'))).toEqual([])
})

test('without the cache a tree is made anew and replaces the old one', async () => {
  const path = await (await openCache(realSys, folder, true)).tree(key, writing('old'))
  const anew = await openCache(realSys, folder, false)
  expect(await anew.tree(key, writing('new'))).toBe(path)
  expect(readFileSync(join(path, 'file'), 'utf8')).toBe('new')
})

test('a record that no longer stands is made anew', async () => {
  const cache = await openCache(realSys, folder, true)
  const ask = (value: number, holds: boolean) =>
    cache.record(
      key,
      async () => value,
      async () => holds,
    )
  expect([await ask(1, true), await ask(2, true), await ask(3, false), await ask(4, true)]).toEqual([
    1, 1, 3, 3,
  ])
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
