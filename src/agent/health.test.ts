import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HealthCheck } from '../core/index.ts'
import { type Listener, realSys } from '../sys/index.ts'
import { judgeHealth } from './health.ts'
import type { NodePaths } from './node-files.ts'

let work: string
let paths: NodePaths
let web: Listener
let status: number
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-health-'))
  paths = {
    image: join(work, 'image'),
    localHooks: join(work, 'local'),
    state: work,
    runtime: work,
    disk: work,
    credentials: work,
  }
  mkdirSync(join(paths.image, 'health.d'), { recursive: true })
  status = 200
  web = await realSys.net.listen({ host: '127.0.0.1', port: 0 }, (_, response) =>
    response.writeHead(status).end('out of order\n'),
  )
})
afterEach(async () => {
  await web.close(0)
  rmSync(work, { recursive: true, force: true })
})

function judge(...checks: readonly HealthCheck[]) {
  writeFileSync(join(paths.image, 'health.json'), JSON.stringify(checks))
  return judgeHealth(realSys, paths)
}
function hook(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
}
const within = '1s'
const http = (): HealthCheck => ({ name: 'web', http: `http://127.0.0.1:${web.port}/`, within })
const program = (...exec: string[]): HealthCheck => ({ name: 'program', exec, within })

describe('health checks', () => {
  test('that all hold', async () => {
    const tcp: HealthCheck = { name: 'port', tcp: `127.0.0.1:${web.port}`, within }
    expect(await judge(http(), tcp, program('true'))).toBeUndefined()
    expect(await judge()).toBeUndefined()
  })

  test('that hold only after a while are waited for', async () => {
    const file = join(work, 'ready')
    const wanted = judge({ name: 'ready', exec: ['test', '-e', file], within: '20s' })
    await realSys.exec.run('touch', [file])
    expect(await wanted).toBeUndefined()
  })

  test('an answer of 500', async () => {
    status = 500
    expect(await judge(program('true'), http())).toMatchObject({
      code: 'health-check-failed',
      check: 'web',
      lastLines: ['out of order'],
    })
  })

  test.each<[string, HealthCheck, object]>([
    ['a closed port', { name: 'port', tcp: '127.0.0.1:9', within }, { check: 'port' }],
    ['nobody who answers', { name: 'web', http: 'http://127.0.0.1:9/', within }, { check: 'web' }],
    [
      'a program that fails',
      program('sh', '-c', 'echo one; echo two >&2; exit 3'),
      { check: 'program', exitCode: 3, lastLines: ['one', 'two'] },
    ],
    ['a program that is not there', program('/no/such/program'), { check: 'program' }],
    ['a program that does not end', program('sh', '-c', 'while :; do :; done'), { check: 'program' }],
  ])('%s', async (_, check, reason) =>
    expect(await judge(check)).toMatchObject({ code: 'health-check-failed', ...reason }),
  )

  test('the first that fails decides, and the others are not waited for', async () => {
    const bad = (name: string, within: string): HealthCheck => ({ name, exec: ['false'], within })
    const checks = [program('true'), bad('slow', '1h'), bad('soon', '1s')]
    expect(await judge(...checks)).toMatchObject({ check: 'soon' })
  })

  test('a unit that failed for good is not waited for; one that is started again is', async () => {
    const states = ['activating', 'failed']
    const run: typeof realSys.exec.run = async (program) => ({
      exitCode: 0,
      stdout: Buffer.from(
        program === 'systemctl' ? `ActiveState=${states.shift()}\nExecMainStatus=1\n` : 'no such directive\n',
      ),
      stderr: '',
    })
    writeFileSync(
      join(paths.image, 'health.json'),
      JSON.stringify([{ name: 'web', unit: 'web.service', within: '1h' }]),
    )
    expect(await judgeHealth({ ...realSys, exec: { ...realSys.exec, run } }, paths)).toEqual({
      ...{ code: 'health-check-failed', check: 'web', message: 'web: unit web.service is failed' },
      ...{ exitCode: 1, lastLines: ['no such directive'] },
    })
  })

  test('checks that cannot be read are no healthy system', async () => {
    writeFileSync(join(paths.image, 'health.json'), '{')
    await expect(judgeHealth(realSys, paths)).rejects.toMatchObject({ code: 'state-malformed' })
  })
})

describe('health.d', () => {
  test('runs in name order, the image first, and stops at the first that fails', async () => {
    const log = join(work, 'log')
    hook(join(paths.image, 'health.d'), '20-b', `echo b >> ${log}`)
    hook(join(paths.image, 'health.d'), '10-a', `echo a >> ${log}`)
    hook(paths.localHooks, '05-c', `echo c >> ${log}; echo sorry; exit 4`)
    hook(paths.localHooks, '06-d', `echo d >> ${log}`)
    expect(await judge()).toMatchObject({ check: '05-c', exitCode: 4, lastLines: ['sorry'] })
    expect(await realSys.disk.readFile(log, 'utf8')).toBe('a\nb\nc\n')
  })

  test('does not run while a check fails', async () => {
    const log = join(work, 'log')
    hook(paths.localHooks, '10-a', `echo a >> ${log}`)
    expect(await judge(program('false'))).toMatchObject({ check: 'program' })
    await expect(realSys.disk.readFile(log)).rejects.toThrow('ENOENT')
  })
})
