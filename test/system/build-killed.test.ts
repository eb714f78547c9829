import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lockedStore, makeDefinition, node, shared, sharedStore } from './build/fixture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(shared, 'killed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Processes that run in a chamber of a build in `folder`. */
function insiders(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readlinkSync(`/proc/${pid}/root`).startsWith(folder)
    } catch (error) {
      // It has just ended.
      return error === undefined
    }
  })
}

const within = { timeout: 60_000, interval: 20 }

test('kill -9 of a build leaves no process running and nothing mounted', async () => {
  await lockedStore()
  const definition = join(folder, 'definition')
  makeDefinition(definition)
  const order = { folder: definition, store: sharedStore, cache: join(folder, 'cache') }
  const build = spawn(node, [join(import.meta.dirname, 'build/build-elsewhere.ts'), JSON.stringify(order)], {
    stdio: 'ignore',
  })
  await vi.waitFor(() => expect(insiders().length).toBeGreaterThan(1), within)
  build.kill('SIGKILL')
  await vi.waitFor(() => expect(insiders()).toEqual([]), within)
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder)
})
