import { appendFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProgressEvent } from '../core/index.ts'
import { diskPath } from '../disk/index.ts'
import { realSys } from '../sys/index.ts'
import { type NodeFixture, nodeFixture } from '../testing/index.ts'
import { checkMachines } from './check.ts'
import { type Machine, machinePaths } from './machine-folder.ts'

const machine: Machine = {
  name: 'node',
  repository: 'gateway',
  uuid: '7f3c1c1e-5a0e-4d0e-9b0a-000000000001',
  bridge: 'ashlar0',
  address: '10.97.0.2',
  gateway: '10.97.0.1',
  watchdogSeconds: 900,
}

let node: NodeFixture
let folder: string
beforeEach(async () => {
  node = await nodeFixture()
  await node.fresh()
  await node.tryInB(node.second)
  folder = dirname(dirname(node.paths.disk))
  writeFileSync(machinePaths(folder, 'node').machine, JSON.stringify(machine))
})
afterEach(() => node.remove())

const found = async (signal?: AbortSignal) => {
  const events: ProgressEvent[] = []
  const checks = await checkMachines(realSys, folder, {
    architecture: 'amd64',
    progress: (event) => events.push(event),
    ...(signal !== undefined && { signal }),
  })
  const [check] = checks.filter(({ name }) => name === 'node')
  return { codes: check?.faults.map(({ code }) => code), events }
}

describe('a check of the machines of a host', () => {
  test('hashes both slots of each, and shows how far it is', async () => {
    const { codes, events } = await found()
    expect(codes).toEqual([])
    expect(new Set(events.map(({ step }) => step))).toEqual(new Set(['check slots of node']))
    const total = node.first.root.length + node.second.root.length
    expect(events.at(-1)).toMatchObject({ done: total, total, unit: 'bytes' })
  })

  test('names the slot that was written to', async () => {
    appendFileSync(join(node.paths.disk, diskPath.root('b')), 'more')
    expect((await found()).codes).toEqual(['root-digest-mismatch'])
  })

  test('stops when it is told to', async () => {
    await expect(found(AbortSignal.abort(new Error('Ctrl-C')))).rejects.toThrow('Ctrl-C')
    expect((await found()).codes).toEqual([])
  })
})
