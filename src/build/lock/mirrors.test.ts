import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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

const [debian, security] = ['http://127.0.0.1:9/debian/', 'http://127.0.0.1:9/security/']
const vendor = 'http://127.0.0.1:9/vendor/'

/** An apt with these sources; of those with an origin it has fetched the index. */
function hostWith(sources: readonly (readonly [uri: string, suite: string, origin?: string])[]): void {
  const lists = join(folder, 'lists')
  mkdirSync(lists)
  const file = join(folder, 'sources.list')
  writeFileSync(file, sources.map(([uri, suite]) => `deb ${uri} ${suite} main\n`).join(''))
  for (const [uri, suite, origin] of sources) {
    const index = join(lists, `${uri.replace('http://', '').replaceAll('/', '_')}dists_${suite}`)
    if (origin === undefined) continue
    writeFileSync(`${index}_InRelease`, `Origin: ${origin}\nSuite: ${suite}\nCodename: ${suite}\n`)
    writeFileSync(`${index}_main_binary-amd64_Packages`, '')
  }
  const conf = join(folder, 'apt.conf')
  const settings = { 'etc::sourcelist': file, 'etc::sourceparts': '/dev/null', 'state::lists': lists }
  writeFileSync(
    conf,
    Object.entries(settings)
      .map(([name, value]) => `Dir::${name} "${value}";\n`)
      .join(''),
  )
  process.env.APT_CONFIG = conf
}

const ofDebian = [
  [debian, 'bookworm', 'Debian'],
  [security, 'bookworm-security', 'Debian'],
] as const

test.each<[string, Parameters<typeof hostWith>[0]]>([
  ['the index of which it never fetched', ofDebian.map(([uri, suite]) => [uri, suite])],
  ['behind a vendor’s archive of the same suite', [[vendor, 'bookworm', 'Vendor'], ...ofDebian]],
  ['behind one of a vendor that was never fetched', [[vendor, 'bookworm'], ...ofDebian]],
  [
    'which it never fetched, behind a vendor’s that it has',
    [[vendor, 'bookworm', 'Vendor'], ...ofDebian.map(([uri, suite]) => [uri, suite] as const)],
  ],
  [
    'of which it has fetched backports alone',
    [
      [debian, 'bookworm-backports', 'Debian Backports'],
      ...ofDebian.map(([uri, suite]) => [uri, suite] as const),
    ],
  ],
  [
    'of another suite',
    ofDebian.map(([uri, suite, origin]) => [uri, suite.replace('bookworm', 'trixie'), origin]),
  ],
  [
    'of another suite, behind a vendor’s archive of the one that is wanted',
    [
      [vendor, 'bookworm', 'Vendor'],
      ...ofDebian.map(([uri, suite, origin]) => [uri, suite.replace('bookworm', 'trixie'), origin] as const),
    ],
  ],
])('a host names the mirrors of Debian, %s', async (_, sources) => {
  hostWith(sources)
  expect(await findMirrors(realSys, { debian: 'bookworm' })).toEqual({ debian, 'debian-security': security })
})

test('a host with a vendor’s archives alone has no mirrors of Debian', async () => {
  hostWith([
    [vendor, 'bookworm', 'Vendor'],
    [vendor, 'bookworm-security', 'Vendor'],
  ])
  await expect(findMirrors(realSys, { debian: 'bookworm' })).rejects.toMatchObject({ code: 'mirror-unknown' })
})
