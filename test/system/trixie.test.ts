import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { repository, shared } from './build/fixture.ts'

/** Fetched packages and what a build keeps stay between runs. */
const data = join(shared, 'trixie')
let folder: string
beforeAll(() => {
  mkdirSync(data, { recursive: true })
  folder = mkdtempSync(join(tmpdir(), 'ashlar-trixie-'))
})
afterAll(() => {
  if (ashlar<{ name: string }[]>('machine', 'list').some(({ name }) => name === machine))
    ashlar('machine', 'rm', machine, '--yes')
  rmSync(folder, { recursive: true })
})

const machine = 'trixie-1'

function ashlar<Result>(...words: readonly string[]): Result {
  // Behind `--` it would be a word of the command that runs inside.
  const args = words.includes('--') ? words.toSpliced(words.indexOf('--'), 0, '--json') : [...words, '--json']
  const output = execFileSync(join(repository, 'bin/ashlar'), args, {
    encoding: 'utf8',
    env: { ...process.env, ASHLAR_DATA: data },
  })
  return JSON.parse(output) as Result
}

test('the example builds from trixie and boots to healthy services', () => {
  cpSync(join(repository, 'examples/gateway'), folder, { recursive: true })
  const yaml = join(folder, 'ashlar.yaml')
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('debian: bookworm', 'debian: trixie'))
  for (const name of ['release', 'director']) ashlar('key', 'new', join(folder, 'keys', name))
  ashlar('lock', folder)
  const { reference } = ashlar<{ reference: string }>('build', folder)
  ashlar('sign', reference, '--key', join(folder, 'keys/release.key'))

  ashlar('machine', 'create', machine, '--release', reference, '--trust', folder, '--standalone')
  ashlar('machine', 'start', machine)
  const inside = (script: string) =>
    ashlar<{ output: string }>('machine', 'console', machine, '--', '/bin/sh', '-c', script).output.trim()
  // It waits until no job is left, then tells of any unit that failed.
  expect(inside('systemctl is-system-running --wait')).toBe('running')
  expect(inside('cat /etc/debian_version')).toMatch(/^13\./)
  expect(inside('systemctl show --property Result --value ashlar-health.service')).toBe('success')
  expect(inside('findmnt --noheadings --output FSTYPE /')).toBe('erofs')
})
