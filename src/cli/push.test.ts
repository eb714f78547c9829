import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ProgressEvent } from '../core/index.ts'
import { openContentStore } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { releaseFixture, testServer } from '../testing/index.ts'
import { commandFixture } from './command-fixture.ts'
import { createProgram } from './program.ts'

test('a push that is interrupted says so, publishes nothing, and ends well when it is made again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-push-'))
  const server = await testServer()
  try {
    const fixture = commandFixture(realSys, folder)
    await fixture.login(server.url, server.adminToken)
    const store = await openContentStore(realSys, join(folder, 'store'))
    const { digest } = await releaseFixture(store.repository('gateway'), {
      tag: '1.0.0',
      rootBytes: 5_000_000,
    })
    const interrupted = new AbortController()
    // In the middle of the largest blob.
    const steps = new Set<string>()
    const progress = ({ step, done, total = 0 }: ProgressEvent) => {
      steps.add(step)
      if (done > total / 2) interrupted.abort()
    }
    const errors: string[] = []
    const terminal = { ...fixture.context.terminal, result: (text: string) => void errors.push(text) }
    const context = { ...fixture.context, terminal, progress, signal: interrupted.signal }
    let exitCode = 0
    const words = ['push', 'gateway:1.0.0', '--json']
    const setExitCode = (code: number) => {
      exitCode = code
    }
    const program = await createProgram(context, setExitCode, words)
    await program.parseAsync(words, { from: 'user' })
    expect([exitCode, errors.join()]).toEqual([130, expect.stringContaining('interrupted')])
    expect([...steps]).toEqual(['push blobs'])
    expect(await server.client.list('Release')).toEqual([])
    const again = await fixture.run('push', 'gateway:1.0.0')
    expect(again.exitCode, again.stderr).toBe(0)
    expect((await server.client.list('Release')).map(({ spec }) => spec.digest)).toEqual([digest])
  } finally {
    await server.close()
    rmSync(folder, { recursive: true })
  }
})
