import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BuildError } from '../errors.ts'
import { parseSimulation } from '../lock/apt.ts'
import { chooseMirrors } from '../lock/mirrors.ts'
import { judgeStatus } from '../lock/signature.ts'
import { Catalogue, parsePackages, parseRelease } from './archive-index.ts'
import { parseDeb822 } from './deb822.ts'

const hex = 'ab'.repeat(32)
const codeOf = (work: () => unknown) => {
  try {
    work()
    return 'no error'
  } catch (error) {
    return error instanceof BuildError ? error.code : String(error)
  }
}

describe('control files', () => {
  test('paragraphs, continuation lines and comments are told apart', () => {
    const text = 'A: 1\nB: first\n second\n .\n\n\n# remark\nA: 2\n'
    expect([...parseDeb822(text)].map((paragraph) => [...paragraph])).toEqual([
      [
        ['A', '1'],
        ['B', 'first\nsecond\n.'],
      ],
      [['A', '2']],
    ])
  })

  test('what was printed is read again', () => {
    const name = fc.stringMatching(/^[A-Z][A-Za-z0-9-]{0,10}$/)
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
    const paragraph = fc.dictionary(name, value, { minKeys: 1 })
    fc.assert(
      fc.property(fc.array(paragraph), (paragraphs) => {
        const text = paragraphs
          .map((fields) =>
            Object.entries(fields)
              .map(([field, content]) => `${field}: ${content}\n`)
              .join(''),
          )
          .join('\n')
        expect([...parseDeb822(text)].map((fields) => Object.fromEntries(fields))).toEqual(
          paragraphs.map((fields) => ({ ...fields })),
        )
      }),
    )
  })
})

describe('archive indexes', () => {
  const release = `Suite: stable\nDate: Sat, 10 Jan 2026 10:00:00 UTC\nMD5Sum:\n 00 5 main/x\nSHA256:\n ${hex}  7 main/binary-amd64/Packages\n`

  test('a Release file gives its date and the sha256 of its files', () => {
    const { dateSeconds, files } = parseRelease(release, 'stable')
    expect(dateSeconds).toBe(Date.UTC(2026, 0, 10, 10) / 1000)
    expect([...files]).toEqual([['main/binary-amd64/Packages', { digest: `sha256:${hex}`, sizeBytes: 7 }]])
  })

  test('a Release file without a date is refused', () => {
    expect(codeOf(() => parseRelease('Suite: stable\n', 'stable'))).toBe('archive-invalid')
  })

  const entry = (more: string) =>
    `Package: a\nVersion: 1\nArchitecture: all\n${more}Filename: pool/a.deb\nSize: 3\nSHA256: ${hex}\n\n`

  test('the source of a package loses its version', () => {
    const found = [...parsePackages(entry('Source: b (2)\n') + entry('Essential: yes\n'), 'debian')]
    expect(found.map(({ source }) => source)).toEqual(['b', 'a'])
  })

  test('a version that lies in two pockets is the first one’s', () => {
    const catalogue = new Catalogue()
    for (const archive of ['debian', 'debian-security'] as const) catalogue.add(entry(''), archive)
    expect(catalogue.find('a', '1', 'all')?.archive).toBe('debian')
    expect(catalogue.find('a', '2', 'all')).toBeUndefined()
  })

  test('essential packages are known by name', () => {
    const catalogue = new Catalogue()
    catalogue.add(entry('') + entry('Essential: yes\n').replace('Package: a', 'Package: b'), 'debian')
    expect(catalogue.essential).toEqual(['b'])
    expect([...catalogue.names()]).toEqual(['a', 'b'])
  })

  test('any text is read or passed over, never thrown at', () => {
    fc.assert(fc.property(fc.string(), (text) => [...parsePackages(text, 'debian')].length >= 0))
  })
})

test('what apt would install is read from its simulation', () => {
  const text = `NOTE: This is only a simulation!
Inst libc6 (2.36-9 Debian:12.1/stable [amd64]) []
Inst adduser (3.134 Debian:12/oldstable, Debian-Security:12 [all])
Inst foreign:i386 (1.0 Debian:12 [i386])
Conf libc6 (2.36-9 Debian:12.1/stable [amd64])
`
  expect(parseSimulation(text)).toEqual([
    { name: 'libc6', version: '2.36-9', architecture: 'amd64' },
    { name: 'adduser', version: '3.134', architecture: 'all' },
    { name: 'foreign', version: '1.0', architecture: 'i386' },
  ])
})

const debian = 'http://mirror.example/debian/'
const security = 'http://mirror.example/security/'
test.each([
  ['the suite’s own archive is found', 'bookworm', `${debian}|bookworm\n${security}|bookworm-security`],
  [
    'another suite comes from the same archives',
    'trixie',
    `${security}|bookworm-security\n${debian}|bookworm`,
  ],
  [
    'other sources are passed over',
    'trixie',
    `http://other.example/|nodistro-1\n${debian}|bookworm-updates\n${security}|bookworm-security`,
  ],
])('mirrors: %s', (_, suite, targets) => {
  expect(chooseMirrors(suite, targets)).toEqual({ debian, 'debian-security': security })
})
test('mirrors: a machine without security updates has none to offer', () => {
  expect(codeOf(() => chooseMirrors('bookworm', `${debian}|bookworm`))).toBe('mirror-unknown')
  expect(codeOf(() => chooseMirrors('bookworm', '|bookworm\n|bookworm-security'))).toBe('mirror-unknown')
})

describe('signatures', () => {
  const fingerprint = (digit: string) => digit.repeat(40)
  const good = (digit: string) =>
    `[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG ${digit} Someone\n[GNUPG:] VALIDSIG ${fingerprint('0')} 2026-01-01 1 0 4 0 1 8 01 ${fingerprint(digit)}\n`
  const missing = '[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 1 1 8 01 1 9\n[GNUPG:] NO_PUBKEY 1\n'
  const expired = good('E').replace('GOODSIG', 'EXPKEYSIG')
  const bad = '[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 1 Someone\n'

  test.each([
    [
      'primary keys are listed once and in order',
      good('B') + good('A') + good('B'),
      [fingerprint('A'), fingerprint('B')],
    ],
    [
      'a signature by a key that is not there does not matter beside a good one',
      missing + good('A'),
      [fingerprint('A')],
    ],
    ['an expired key does not count', expired + good('A'), [fingerprint('A')]],
  ])('%s', (_, status, signers) => {
    expect(judgeStatus(status, 'InRelease')).toEqual(signers)
  })

  test.each([
    ['no signature at all', '', 'archive-key-unknown'],
    ['only a missing key', missing, 'archive-key-unknown'],
    ['only an expired key', expired, 'archive-key-expired'],
    ['only a revoked key', good('E').replace('GOODSIG', 'REVKEYSIG'), 'archive-key-revoked'],
    ['one bad signature beside a good one', good('A') + bad, 'archive-invalid'],
  ])('%s is refused', (_, status, code) => {
    expect(codeOf(() => judgeStatus(status, 'InRelease'))).toBe(code)
  })
})
