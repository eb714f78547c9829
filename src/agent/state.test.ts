import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import type { NodePaths } from './node-files.ts'
import { NodeMemory } from './state.ts'

let work: string
let paths: NodePaths
let memory: NodeMemory
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-state-'))
  paths = {
    image: work,
    localHooks: work,
    state: join(work, 'var'),
    runtime: work,
    disk: join(work, 'disk'),
    credentials: work,
  }
  memory = new NodeMemory(realSys, paths)
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

const copies = (name: string) => [join(work, 'var', name), join(work, 'disk/esp/ashlar', name)] as const
const order = (epoch: number, number: number) => ({ epoch, number })

describe('what a node remembers', () => {
  test('is nothing on a new node', async () => {
    expect(await memory.read()).toEqual({ revision: 0, order: order(0, 0), seenAt: 0 })
    expect(await memory.floor()).toBe(0)
    await memory.removeLeftovers()
    expect(await memory.secret('identity.json')).toBeUndefined()
  })

  test.each([0, 1])('survives the loss of copy %i', async (lost) => {
    await memory.write({ revision: 0, order: order(2, 5), seenAt: 7 })
    await memory.raiseFloor(12)
    await memory.keepSecret('identity.json', 'secret')
    for (const name of ['state.json', 'floor.json', 'identity.json']) rmSync(copies(name)[lost] ?? '')
    expect(await memory.read()).toEqual({ revision: 1, order: order(2, 5), seenAt: 7 })
    expect(await memory.floor()).toBe(12)
    expect(await memory.secret('identity.json')).toBe('secret')
  })

  test('is the higher where two copies differ, as after a crash between them or an older /var', async () => {
    await memory.write({ revision: 0, order: order(2, 5), seenAt: 7 })
    await memory.raiseFloor(12)
    const [state, floor] = [copies('state.json')[0], copies('floor.json')[0]]
    const older = readFileSync(state)
    await memory.write({ ...(await memory.read()), order: order(3, 1), seenAt: 9 })
    writeFileSync(state, older)
    writeFileSync(floor, JSON.stringify({ floor: 3 }))
    expect(await memory.read()).toMatchObject({ revision: 2, order: order(3, 1), seenAt: 9 })
    expect(await memory.floor()).toBe(12)
  })

  test.each([0, 1])('is read from the other where copy %i is damaged', async (damaged) => {
    await memory.write({ revision: 0, order: order(2, 5), seenAt: 7 })
    writeFileSync(copies('state.json')[damaged] ?? '', '{"revision":9')
    expect((await memory.read()).order).toEqual(order(2, 5))
  })

  test('has a floor that only rises', async () => {
    expect(await memory.raiseFloor(5)).toBe(5)
    expect(await memory.raiseFloor(3)).toBe(5)
    expect(await memory.floor()).toBe(5)
  })

  test('has no copy that a kill left half written; what another part may still be writing is let be', async () => {
    await memory.keepSecret('identity.json', 'secret')
    const left = (name: string) => copies(`${name}.0123456789abcdef.tmp`)
    const old = [...left('bad-2.json'), ...copies('floor.json.fedcba9876543210.tmp')]
    for (const path of [...left('identity.json'), ...left('state.json'), ...left('floor.json'), ...old])
      writeFileSync(path, 'secret')
    for (const path of old) utimesSync(path, 0, 0)
    await memory.removeLeftovers()
    for (const folder of ['var', 'disk/esp/ashlar'])
      expect(readdirSync(join(work, folder)).toSorted()).toEqual([
        'floor.json.0123456789abcdef.tmp',
        'identity.json',
      ])
    expect(await memory.secret('identity.json')).toBe('secret')
  })

  test('is readable by root alone', async () => {
    await memory.keepSecret('identity.json', 'secret')
    for (const path of copies('identity.json')) expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})
