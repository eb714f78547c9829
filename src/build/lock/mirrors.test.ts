import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import { findMirrors } from './mirrors.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-mirrors-'))
})
afterEach(() => {
  delete process.env.APT_CONFIG
  rmSync(folder, { recursive: true })
})

test('a host that names its mirrors and never fetched an index from them has them all the same', async () => {
  const [debian, security] = ['http://127.0.0.1:9/debian/', 'http://127.0.0.1:9/security/']
  const sources = join(folder, 'sources.list')
  writeFileSync(sources, `deb ${debian} bookworm main\ndeb ${security} bookworm-security main\n`)
  const conf = join(folder, 'apt.conf')
  writeFileSync(conf, `Dir::Etc::sourcelist "${sources}";\nDir::Etc::sourceparts "/dev/null";\n`)
  process.env.APT_CONFIG = conf
  expect(await findMirrors(realSys, { debian: 'bookworm' })).toEqual({ debian, 'debian-security': security })
})
