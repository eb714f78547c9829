import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { predicateType, statementAbout } from '../core/index.ts'
import { digestOf } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { keepProvenance } from './build-record.ts'
import { commandFixture } from './command-fixture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-key-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const cli = () => commandFixture(realSys, folder)
const left = (name: string, lot = '0123456789abcdef') => {
  const path = join(folder, `${name}.${lot}.tmp`)
  writeFileSync(path, 'secret')
  return path
}
const old = (path: string) => utimesSync(path, 0, 0)

test('a private key that a killed command left under another name goes with the next, and no other does', async () => {
  left('release.key')
  left('director.key')
  expect((await cli().run('key', 'new', join(folder, 'release'))).exitCode).toBe(0)
  expect(readdirSync(folder).toSorted()).toEqual([
    'director.key.0123456789abcdef.tmp',
    'release.key',
    'release.pub',
  ])
})

test('a key is never overwritten', async () => {
  writeFileSync(join(folder, 'release.key'), 'mine')
  const { exitCode } = await cli().run('key', 'new', join(folder, 'release'))
  expect([exitCode, readFileSync(join(folder, 'release.key'), 'utf8')]).toEqual([1, 'mine'])
})

test('the token of a killed login goes with the next login, but not what another is just writing', async () => {
  old(left('login.json'))
  left('login.json', 'fedcba9876543210')
  await cli().login('http://127.0.0.1:7480', 'token')
  expect(readdirSync(folder).toSorted()).toEqual(['login.json', 'login.json.fedcba9876543210.tmp'])
})

test('what a killed build left of its record goes with the next record', async () => {
  mkdirSync(join(folder, 'builds'))
  old(left('builds/0.json'))
  const digest = digestOf('release')
  await keepProvenance(cli().context, digest, statementAbout(digest, 'gateway', predicateType.provenance, {}))
  expect(readdirSync(join(folder, 'builds'))).toEqual([`${digest.slice('sha256:'.length)}.json`])
})
