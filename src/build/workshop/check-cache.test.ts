import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Digest, ProgressEvent } from '../../core/index.ts'
import { realSys } from '../../sys/index.ts'
import { cacheKey, openCache } from './cache.ts'
import { checkCache, removeDamaged } from './check-cache.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-cache-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What a build makes of this part, or finds. */
async function make(part: string) {
  const cache = await openCache(realSys, folder, true)
  const key = cacheKey('node', [part])
  const { folder: made } = await cache.entry(key, part, async (path) => {
    writeFileSync(join(path, 'file'), part)
  })
  await cache.close()
  return { key, file: join(made, 'file') }
}
const check = async (known: ReadonlySet<Digest> = new Set()) => {
  const events: ProgressEvent[] = []
  const options = { step: 'check', progress: (event: ProgressEvent) => void events.push(event) }
  return { ...(await checkCache(realSys, folder, { known, ...options })), events }
}

test('each file is read, and how far that is is told; what is known is not read again', async () => {
  const { key } = await make('one')
  await make('two')
  const { good, damaged, bytesRead, events } = await check()
  expect([good.size, damaged, bytesRead]).toEqual([2, [], 6])
  expect(events.at(-1)?.done).toBe(events.at(-1)?.total)
  expect(await check(new Set([key]))).toMatchObject({ bytesRead: 3, damaged: [] })
})

test('what a build has made anew since is not removed', async () => {
  const { file } = await make('one')
  writeFileSync(file, 'On3')
  const [damaged] = (await check()).damaged
  if (damaged === undefined) throw new Error('it is damaged')
  expect((await make('one')).file).toBe(file)
  expect(await removeDamaged(realSys, folder, damaged)).toBe(false)
  expect(readFileSync(file, 'utf8')).toBe('one')
})
