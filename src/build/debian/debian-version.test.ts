import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareVersions } from './debian-version.ts'

/** What dpkg itself says of many pairs, in one run of the shell. */
function judge(pairs: readonly (readonly [string, string])[]): number[] {
  const script =
    'while [ $# -gt 0 ]; do if dpkg --compare-versions "$1" lt "$2"; then echo -1; elif dpkg --compare-versions "$1" gt "$2"; then echo 1; else echo 0; fi; shift 2; done'
  const out = execFileSync('sh', ['-c', script, 'sh', ...pairs.flat()], { encoding: 'utf8' })
  return out.trim().split('\n').map(Number)
}

const known: [string, string][] = [
  ['1.0', '1.0'],
  ['1.0', '1.00'],
  ['1.0~rc1', '1.0'],
  ['1.0~rc1-1', '1.0~rc1-1+b1'],
  ['2.36-9+deb12u10', '2.36-9+deb12u9'],
  ['1:0.1', '9.9'],
  ['1.0-1', '1.0'],
  ['1.0+a', '1.0a'],
  ['20261120T000000', '20261121T000000'],
  ['99999999999999999999', '100000000000000000000'],
  ['1.0-a-1', '1.0-a-2'],
]

test('versions are ordered as dpkg orders them', () => {
  const part = fc.stringMatching(/^[0-9][a-z0-9.+~]{0,5}$/)
  const version = fc.oneof(
    part,
    fc.tuple(part, part).map((two) => two.join('-')),
    part.map((upstream) => `1:${upstream}`),
  )
  const pairs = [...known, ...fc.sample(fc.tuple(version, version), 150)]
  expect(pairs.map(([a, b]) => Math.sign(compareVersions(a, b)))).toEqual(judge(pairs))
})
