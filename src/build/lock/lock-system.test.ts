import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { definitionSchema, type Lock, noProgress, printLock } from '../../core/index.ts'
import { type ContentStore, openContentStore } from '../../oci/index.ts'
import { realSys } from '../../sys/index.ts'
import { type DebianArchive, debianArchive } from '../../testing/index.ts'
import { fetchLocked, lockDefinition } from '../index.ts'
import { imageRoots, toolRoots } from '../inputs/roots.ts'

const text = (mirrors: unknown) => `apiVersion: ashlar/v1
kind: Image
metadata: { name: gateway, version: 1.0.0 }
spec:
  base: { debian: bookworm, mirrors: ${JSON.stringify(mirrors)} }
  trust: { release: { keys: [a.pub] }, director: { keys: [a.pub] } }
`

let folder: string
let archive: DebianArchive
let store: ContentStore
let made: Lock
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-lock-system-'))
  const { spec } = definitionSchema.parse({
    ...{ apiVersion: 'ashlar/v1', kind: 'Image', metadata: { name: 'gateway', version: '1.0.0' } },
    spec: { base: { debian: 'bookworm' }, trust: { release: { keys: ['a'] }, director: { keys: ['a'] } } },
  })
  // Names alone: what a system and its tools are made of is not what is asked here.
  const names = [...imageRoots(spec, []), ...toolRoots(spec, [])]
  const packages = Object.fromEntries(names.map((name) => [name, {}]))
  archive = await debianArchive(join(folder, 'archive'), { ...packages, 'base-files': { Essential: 'yes' } })
  store = await openContentStore(realSys, join(folder, 'store'))
  mkdirSync(join(folder, 'definition'))
  writeFileSync(join(folder, 'definition/ashlar.yaml'), text(archive.mirrors))
  for (const name of ['node', 'agent']) writeFileSync(join(folder, name), `a ${name}`)
  made = (await lockDefinition(options())).lock
})
afterAll(async () => {
  await archive.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  for (const name of ['node', 'agent']) writeFileSync(join(folder, name), `a ${name}`)
})

const options = () => ({
  ...{ sys: realSys, folder: join(folder, 'definition'), store: store.blobs, progress: noProgress },
  ...{ stateFolder: join(folder, 'state'), keyring: archive.keyring },
  node: { file: join(folder, 'node'), version: '24.0.0' },
  agent: { file: join(folder, 'agent'), version: '1.0.0' },
})

const blobOf = (name: 'node' | 'agent') => store.blobs.path(made[name]?.digest ?? made.request)

describe('the Node binary and the agent of a system', () => {
  test.each(['node', 'agent'] as const)(
    '%s is stored again where the store holds it damaged',
    async (name) => {
      for (const again of [() => lockDefinition(options()), () => fetchLocked(options())]) {
        writeFileSync(blobOf(name), `b ${name}`)
        await again()
        expect(readFileSync(blobOf(name), 'utf8')).toBe(`a ${name}`)
      }
      expect(readFileSync(join(folder, 'definition/ashlar.lock'), 'utf8')).toBe(printLock(made))
    },
  )

  test.each(['node', 'agent'] as const)('with another %s the lock cannot be kept', async (name) => {
    writeFileSync(join(folder, name), `another ${name}`)
    await expect(fetchLocked(options())).rejects.toMatchObject({
      code: 'input-missing',
      hint: expect.stringMatching(/ashlar lock/),
    })
    expect(readFileSync(join(folder, 'definition/ashlar.lock'), 'utf8')).toBe(printLock(made))
  })
})
