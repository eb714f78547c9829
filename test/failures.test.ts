import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeError, lastLines, printFailures } from '../script/failures.ts'
import type { TestReport } from '../script/test-reporter.ts'

const root = resolve(import.meta.dirname, '..')
const failure = (text: string) => ({ part: 'unit', name: 'a > b', text })

describe('the end of the log', () => {
  test('says nothing when nothing failed', () => expect(printFailures([])).toBe(''))

  test('names part and test, and repeats the error without colours', () => {
    expect(printFailures([failure('\u001b[31mError: no\u001b[39m\n    at src/a.ts:1:2\n')])).toBe(
      '\n-- unit: a > b\n   Error: no\n       at src/a.ts:1:2\n\n',
    )
  })

  test('holds ten failures of forty lines at the most, and says how many are left out', () => {
    const long = Array.from({ length: 12 }, () => failure('line\n'.repeat(1_000)))
    const lines = printFailures(long).split('\n')
    expect(lines.filter((line) => line.startsWith('-- unit: '))).toHaveLength(10)
    expect(lines).toContain('   … 961 more lines')
    expect(lines).toContain('-- and 2 more')
    expect(lines.length).toBeLessThan(10 * 43)
  })

  test('cuts a line that has no end', () => {
    expect(printFailures([failure('x'.repeat(100_000))]).length).toBeLessThan(500)
  })

  test('of a program keeps the end of what it printed', () => {
    expect(lastLines('a\nb\n')).toBe('a\nb')
    const last = lastLines(Array.from({ length: 100 }, (_, index) => `${index}`).join('\n'))
    expect(last.split('\n')).toHaveLength(40)
    expect(last).toMatch(/^…\n61\n[\s\S]*\n99$/)
  })
})

test('an error is its message, its code, the lines of this project, and what caused it', () => {
  const error = Object.assign(new Error('no room', { cause: new Error('the disk is full') }), {
    code: 'disk-full',
    stack:
      'Error: no room\n    at a (src/a.ts:1:2)\n    at b (node_modules/b.js:1:1)\n    at node:internal/c:1:1',
  })
  expect(describeError(error)).toMatch(
    /^Error: no room \[disk-full\]\n {4}at a \(src\/a\.ts:1:2\)\ncaused by Error: the disk is full\n/,
  )
})

describe('a run of vitest', () => {
  const failing = `import { afterAll, describe, expect, test } from 'vitest'
    test('passes', () => { void Promise.reject(new Error('nobody waits')) })
    test.fails('is meant to fail', () => { throw new Error('not told') })
    describe('outer', () => {
      test('differs', () => expect(['what is there']).toEqual([]))
      test('caused', () => { throw new Error('above', { cause: new Error('below') }) })
      afterAll(() => { throw new Error('in a hook') })
    })`

  test('leaves all that failed, inside of tests and out', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ashlar-failures-'))
    try {
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      mkdirSync(join(folder, 'test'))
      writeFileSync(join(folder, 'test/failing.test.ts'), failing)
      writeFileSync(join(folder, 'test/broken.test.ts'), "import './not-there.ts'\n")
      const { passed, failures } = runIn(folder)
      expect(passed).toBe(2)
      const texts = Object.fromEntries(failures.map(({ name, text }) => [name, text]))
      expect(texts).toEqual({
        'test/broken.test.ts': expect.stringContaining('./not-there.ts'),
        'test/failing.test.ts > outer': expect.stringContaining('Error: in a hook'),
        'test/failing.test.ts > outer > differs': expect.stringMatching(
          /AssertionError: .*\n[\s\S]*what is there[\s\S]*failing\.test\.ts:5/,
        ),
        'test/failing.test.ts > outer > caused': expect.stringMatching(
          /Error: above\n[\s\S]*caused by Error: below/,
        ),
        'outside of every test': expect.stringContaining('Error: nobody waits'),
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  function runIn(folder: string): TestReport {
    const report = join(folder, 'report.json')
    const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder]
    const reporter = `--reporter=${join(root, 'script/test-reporter.ts')}`
    spawnSync(join(root, 'bin/node'), [...vitest, reporter], {
      env: { ...process.env, ASHLAR_TEST_REPORT: report },
    })
    return JSON.parse(readFileSync(report, 'utf8')) as TestReport
  }
})
