import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { DebianArchive } from '../../src/testing/index.ts'
import { runCommand } from './faults/command.ts'
import { tracesOf } from './faults/host.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

const within = { timeout: 20_000, interval: 20 }

let root: string
let archive: DebianArchive
/** A data folder after `ashlar lock`, the lock, and what an undisturbed build makes of it. */
let locked: string
let definition: string
let lockText: string
let digest: string
const steps = { lock: 0, build: 0 }

let folder: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-faults-stopped-'))
  archive = await tinyArchive(join(root, 'archive'))
  locked = join(root, 'locked')
  definition = defineContainer(join(root, 'definition'), archive.mirrors, ['hello'])
  const counted = async (word: 'lock' | 'build', data: string) => {
    const list = join(root, `${word}-steps`)
    const ended = await runCommand([word, definition, '--json'], { data, keyring: archive.keyring, list })
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
    steps[word] = readFileSync(list, 'utf8').split('\n').length - 1
    return JSON.parse(ended.stdout) as { digest: string }
  }
  await counted('lock', locked)
  lockText = readFileSync(join(definition, 'ashlar.lock'), 'utf8')
  const undisturbed = join(root, 'undisturbed')
  cpSync(locked, undisturbed, { recursive: true })
  digest = (await counted('build', undisturbed)).digest
})
afterAll(async () => {
  await archive.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What is left of a command that was stopped, once the kernel has ended what died with it. */
async function expectNothingLeft(): Promise<void> {
  await vi.waitFor(() => expect(tracesOf(folder)).toEqual([]), within)
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder)
}

/** What only a command at work has. */
function scratchIn(data: string): readonly string[] {
  return ['store/incoming', 'cache/build/work', 'cache/lock/downloads'].flatMap((name) =>
    existsSync(join(data, name)) ? readdirSync(join(data, name)) : [],
  )
}

/** `count` moments of a command, spread over `share` of its steps. */
const moments = (signal: NodeJS.Signals, count: number, share = 1) =>
  Array.from({ length: count }, (_, index) => [signal, ((index + 0.5) / count) * share] as const)

/** The last steps come after the release or lock is there: who asks then is told that it is done. */
const askedShare = 0.8
const stopsOf = (kills: number, asked: number) => [
  ...moments('SIGKILL', kills),
  ...moments('SIGINT', asked, askedShare),
  ...moments('SIGTERM', 1, askedShare),
]

function expectStopped(ended: Awaited<ReturnType<typeof runCommand>>, signal: NodeJS.Signals): void {
  const asked = { exitCode: 130, stderr: expect.stringMatching(/stopped on request/) }
  expect(ended, ended.stderr).toMatchObject(signal === 'SIGKILL' ? { signal } : asked)
}

describe('a build', () => {
  test.each(stopsOf(12, 4))(
    'that gets %s after %f of its steps leaves nothing, and the next one succeeds',
    async (signal, share) => {
      const data = join(folder, 'data')
      cpSync(locked, data, { recursive: true })
      const at = Math.ceil(steps.build * share)
      expectStopped(await runCommand(['build', definition], { data, stop: { at, signal } }), signal)
      await expectNothingLeft()
      if (signal !== 'SIGKILL') expect(scratchIn(data)).toEqual([])
      const again = await runCommand(['build', definition, '--json'], { data })
      expect(again, again.stderr).toMatchObject({ exitCode: 0 })
      expect(JSON.parse(again.stdout).digest).toBe(digest)
      expect(scratchIn(data)).toEqual([])
    },
  )
})

describe('a lock', () => {
  test.each(stopsOf(6, 3))(
    'that gets %s after %f of its steps leaves nothing, and the next one succeeds',
    async (signal, share) => {
      const { keyring } = archive
      const data = join(folder, 'data')
      const own = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
      writeFileSync(join(own, 'ashlar.lock'), 'an earlier lock')
      const stop = { at: Math.ceil(steps.lock * share), signal }
      expectStopped(await runCommand(['lock', own], { data, keyring, stop }), signal)
      await expectNothingLeft()
      expect(['an earlier lock', lockText]).toContain(readFileSync(join(own, 'ashlar.lock'), 'utf8'))
      const again = await runCommand(['lock', own], { data, keyring })
      expect(again, again.stderr).toMatchObject({ exitCode: 0 })
      expect(readFileSync(join(own, 'ashlar.lock'), 'utf8')).toBe(lockText)
      expect(scratchIn(data)).toEqual([])
    },
  )
})
