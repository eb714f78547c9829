import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { listMachines, stopMachine } from './control.ts'
import {
  isAlive,
  type LauncherState,
  type Machine,
  machinePaths,
  readMachine,
  startTimeOf,
} from './machine-folder.ts'
import { defaultNetwork, freeAddress } from './network.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-machine-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const machine: Machine = {
  name: 'node-1',
  repository: 'gateway',
  uuid: '7f3c1c1e-5a0e-4d0e-9b0a-000000000001',
  bridge: 'ashlar0',
  address: '10.97.0.2',
  gateway: '10.97.0.1',
  watchdogSeconds: 900,
}
function put(file: 'machine' | 'state', value: unknown): void {
  const paths = machinePaths(folder, 'node-1')
  mkdirSync(paths.home, { recursive: true })
  writeFileSync(paths[file], typeof value === 'string' ? value : JSON.stringify(value))
}
const stateOf = (pid: number, startTime: string): LauncherState => ({
  phase: 'running',
  pid,
  startTime,
  boots: 1,
})

describe('a machine in its folder', () => {
  test('is read back', async () => {
    put('machine', machine)
    expect(await readMachine(realSys, folder, 'node-1')).toEqual(machine)
  })

  test.each([
    ['not there', undefined, 'machine-unknown'],
    ['no JSON', '{', 'machine-malformed'],
    ['an address that is none', { ...machine, address: '10.97' }, 'machine-malformed'],
    ['a watchdog of more than a day', { ...machine, watchdogSeconds: 86_401 }, 'machine-malformed'],
  ])('%s', async (_, content, code) => {
    if (content !== undefined) put('machine', content)
    await expect(readMachine(realSys, folder, 'node-1')).rejects.toMatchObject({ code })
  })

  test('half made, it is not listed; never started, it does not run', async () => {
    mkdirSync(join(folder, 'half'))
    put('machine', machine)
    expect(await listMachines({ sys: realSys, folder })).toEqual([
      { machine, state: undefined, running: false },
    ])
  })
})

describe('whether a launcher runs', () => {
  test('is told by process number and start time together', async () => {
    const startTime = (await startTimeOf(realSys, process.pid)) ?? ''
    expect(startTime).toMatch(/^\d+$/)
    expect(await isAlive(realSys, stateOf(process.pid, startTime))).toBe(true)
    expect(await isAlive(realSys, stateOf(process.pid, `${startTime}1`))).toBe(false)
    expect(await isAlive(realSys, undefined)).toBe(false)
  })

  test('a process that ended does not run, and its number is not sent a signal', async () => {
    put('machine', machine)
    // This process has that number, but is no launcher: stopping the machine must leave it alone.
    put('state', stateOf(process.pid, '1'))
    await stopMachine({ sys: realSys, folder, name: 'node-1' })
    const [status] = await listMachines({ sys: realSys, folder })
    expect(status?.running).toBe(false)
  })
})

describe('addresses', () => {
  test('the lowest free one is given', () => {
    expect(freeAddress(defaultNetwork, [])).toBe('10.97.0.2')
    expect(freeAddress(defaultNetwork, ['10.97.0.2', '10.97.0.4'])).toBe('10.97.0.3')
  })

  test('until all are taken', () => {
    const all = Array.from({ length: 253 }, (_, index) => `10.97.0.${index + 2}`)
    expect(() => freeAddress(defaultNetwork, all)).toThrow(expect.objectContaining({ code: 'network-full' }))
  })
})
