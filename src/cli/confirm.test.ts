import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Digest } from '../core/index.ts'
import { openContentStore } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { fleetOf, releaseFixture, type TestServer, testServer } from '../testing/index.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'

let folder: string
let server: TestServer
let cli: CommandFixture
let digest: Digest
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-confirm-'))
  server = await testServer()
  cli = commandFixture(realSys, folder)
  await cli.login(server.url, server.adminToken)
  const store = await openContentStore(realSys, cli.context.folders.store)
  digest = (await releaseFixture(store.repository('gateway'), { tag: '1.0.0' })).digest
  await cli.run('push', 'gateway:1.0.0')
  for (const name of ['node-1', 'node-2', 'node-3']) await server.enrol(name, { role: 'gateway' })
  await server.client.apply(fleetOf('gateways', { role: 'gateway' }, [{ count: 1 }, { percent: 100 }]))
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

const rollouts = async () => (await server.client.list('Rollout')).map(({ status }) => status.phase)

/** The real command on a terminal of its own, which types an answer when it is asked. */
function onTerminal(words: readonly string[], answer: string): Promise<{ exitCode: number; text: string }> {
  const call = [resolve(import.meta.dirname, '../../bin/ashlar'), ...words].join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', call, '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: folder, ASHLAR_DATA: folder, TERM: 'xterm', SHELL: '/bin/sh' },
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.endsWith('[y/N] ')) child.stdin.write(answer)
  })
  return new Promise((done) => child.once('close', (exitCode) => done({ exitCode: exitCode ?? -1, text })))
}

describe('what moves nodes', () => {
  test('is not done where nobody can be asked: exit code 64, the plan, and what to type', async () => {
    const { exitCode, stdout, stderr } = await cli.run('rollout', 'start', 'gateways', digest, '--json')
    expect(exitCode).toBe(64)
    const { error } = JSON.parse(stdout)
    expect(error).toMatchObject({ code: 'confirmation-missing', hint: 'add --yes to do this' })
    expect(error.findings.map(({ message }: { message: string }) => message)).toEqual([
      `wave 1 of 2: node-1 to ${digest.slice(7, 19)}`,
      `wave 2 of 2: node-2, node-3 to ${digest.slice(7, 19)}`,
    ])
    expect(stderr).toContain('mend add --yes')
    expect(await rollouts()).toEqual([])
  })

  test.each([
    ['no', 'n\n'],
    ['nothing', '\n'],
    ['the end of the input', '\u0004'],
  ])('is shown on a terminal and asked for; %s is no', async (_, answer) => {
    const { exitCode, text } = await onTerminal(['rollout', 'start', 'gateways', digest], answer)
    expect([exitCode, text]).toEqual([1, expect.stringMatching(/wave 2 of 2: node-2, node-3.*\[declined\]/s)])
    expect(await rollouts()).toEqual([])
  })

  test('Ctrl-C at the question ends the command', async () => {
    const { exitCode } = await onTerminal(['rollout', 'start', 'gateways', digest], '\u0003')
    expect(exitCode).toBe(130)
  })

  test('is done after a yes, and with --yes without a question', async () => {
    const { exitCode, text } = await onTerminal(['rollout', 'start', 'gateways', digest], 'y\n')
    expect([exitCode, text]).toEqual([0, expect.stringContaining('gateways-1: update of gateways')])
    expect(await rollouts()).toEqual(['running'])
    const halted = await cli.run('rollout', 'halt', 'gateways-1', '--yes')
    expect([halted.exitCode, halted.stderr]).toEqual([0, ''])
    expect(await rollouts()).toEqual(['halted'])
  })
})
