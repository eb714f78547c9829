import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noProgress } from '../../core/index.ts'
import { type ContentStore, openContentStore } from '../../oci/index.ts'
import { realSys } from '../../sys/index.ts'
import { type DebianArchive, debianArchive } from '../../testing/index.ts'
import { BuildError, lockDefinition } from '../index.ts'

const packages = {
  'base-files': { Essential: 'yes' },
  'usr-is-merged': {},
  hello: { Depends: 'libhello (>= 1.0)' },
  libhello: {},
  broken: { Depends: 'nowhere' },
  deep: { Depends: 'broken' },
  newer: { Depends: 'libhello (>= 2.0)' },
  exim: { Provides: 'mta', Conflicts: 'mta' },
  postfix: { Provides: 'mta', Conflicts: 'mta' },
  'one-way': { Depends: 'exim | exim-like' },
  'other-way': { Depends: 'postfix | postfix-like' },
  'exim-like': { Conflicts: 'postfix, postfix-like' },
  'postfix-like': { Conflicts: 'exim' },
}

let archive: DebianArchive
let folder: string
let store: ContentStore
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-refused-'))
  archive = await debianArchive(join(folder, 'archive'), packages, {
    elsewhere: [
      { suite: 'bookworm', component: 'non-free-firmware', architecture: 'amd64', names: ['firmware'] },
      { suite: 'trixie', component: 'main', architecture: 'amd64', names: ['novelty'] },
      { suite: 'bookworm', component: 'main', architecture: 'arm64', names: ['armour'] },
    ],
  })
  store = await openContentStore(realSys, join(folder, 'store'))
})
afterAll(async () => {
  await archive.close()
  rmSync(folder, { recursive: true })
})

/** The error of a lock of these packages, the first of which stands on line 9. */
async function refusalOf(...wanted: string[]): Promise<BuildError> {
  const definition = mkdtempSync(join(folder, 'definition-'))
  mkdirSync(definition, { recursive: true })
  writeFileSync(
    join(definition, 'ashlar.yaml'),
    `apiVersion: ashlar/v1
kind: Image
metadata: { name: hello, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm, mirrors: ${JSON.stringify(archive.mirrors)} }
  run: { command: [/bin/true] }
  packages:
${wanted.map((name) => `    - ${name}\n`).join('')}`,
  )
  const input = { file: import.meta.filename, version: '1.0.0' }
  const error = await lockDefinition({
    ...{ sys: realSys, folder: definition, store: store.blobs, stateFolder: join(folder, 'state') },
    ...{ node: input, agent: input, keyring: archive.keyring, progress: noProgress },
  }).catch((thrown: unknown) => thrown)
  if (!(error instanceof BuildError)) throw error
  expect(readdirSync(definition)).toEqual(['ashlar.yaml'])
  return error
}

/** `code line-and-path message` of each finding. */
const findingsOf = ({ findings }: BuildError) =>
  findings.map(({ code, where, message }) => `${code} ${where?.replace(/.*ashlar\.yaml:/, '')}: ${message}`)

test.each([
  [
    'names that are wrong, each with its line',
    ['hello', 'helo', 'zzzz'],
    [
      'package-unknown 10 spec.packages[1]: there is no package helo; did you mean hello?',
      'package-unknown 11 spec.packages[2]: there is no package zzzz',
    ],
  ],
  [
    'a virtual package',
    ['mta'],
    ['package-virtual 9 spec.packages[0]: mta is no package of its own: exim, postfix provide it'],
  ],
  [
    'packages of another component, suite or architecture',
    ['firmware', 'novelty', 'armour'],
    [
      'package-elsewhere 9 spec.packages[0]: firmware is there, but only in non-free-firmware of bookworm',
      'package-elsewhere 10 spec.packages[1]: novelty is there, but only in trixie',
      'package-elsewhere 11 spec.packages[2]: armour is there, but only in bookworm for arm64',
    ],
  ],
])('%s', async (_, wanted, findings) => {
  const error = await refusalOf(...wanted)
  expect(error.code).toBe('package-unknown')
  expect(findingsOf(error)).toEqual(findings)
})

test.each([
  [
    'a dependency that nothing has, with the way to it',
    ['hello', 'deep'],
    [
      'dependency-missing 10 spec.packages[1]: deep depends on broken; broken depends on nowhere, and the archive has no package nowhere',
    ],
  ],
  [
    'a version that is not there',
    ['newer'],
    [
      'dependency-missing 9 spec.packages[0]: newer depends on libhello (>= 2.0), and the archive has libhello 1.0',
    ],
  ],
  [
    'packages that exclude each other',
    ['exim', 'postfix'],
    ['dependency-conflict 9 spec.packages[0]: exim conflicts with mta, which postfix provides'],
  ],
])('%s', async (_, wanted, findings) => {
  const error = await refusalOf(...wanted)
  expect(error.code).toBe('dependencies-unmet')
  expect(findingsOf(error)).toEqual(findings)
})

test('where no choice is forced, what apt says is told', async () => {
  const error = await refusalOf('one-way', 'other-way')
  expect(error.code).toBe('dependencies-unmet')
  expect(error.findings.map(({ code }) => code)).toContain('dependency-unmet')
  expect(findingsOf(error).join()).toMatch(
    /(?:9 spec.packages.0.: one-way|10 spec.packages.1.: other-way) Depends/,
  )
})
