import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean)
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const product = tracked.filter((file) => /^src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
const code = tracked.filter((file) => /^(src|test|script)\/.*\.ts$/.test(file))

/** `file:line text` of every line that the pattern matches. */
function hits(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} ${line.trim()}`] : [])),
  )
}

const self = 'test/tidy.test.ts'
/** Files that may be longer than the house rule; this list only shrinks. */
const longFiles = new Set<string>([])

describe('house rules', () => {
  test('only sys touches the clock, the network and randomness', () => {
    const outside = product.filter((file) => !file.startsWith('src/sys/'))
    expect(
      hits(outside, /\bDate\.now\(|new Date\(\)|Math\.random\(|\bfetch\(|\bsetInterval\(|performance\.now\(/),
    ).toEqual([])
  })

  test('nothing is unfinished or silenced', () => {
    const files = code.filter((file) => file !== self)
    expect(
      hits(files, /\b(TODO|FIXME|XXX)\b|@ts-ignore|@ts-nocheck|@ts-expect-error|\bas any\b|biome-ignore/),
    ).toEqual([])
  })

  test('no test is skipped or focused, and none sleeps', () => {
    const tests = code.filter((file) => file.endsWith('.test.ts') && file !== self)
    expect(hits(tests, /\b(it|test|describe)\.(only|skip|todo)\b/)).toEqual([])
    expect(hits(tests, /\bsetTimeout\(|\bsleep\(/)).toEqual([])
  })

  test('no error is swallowed in silence', () => {
    expect(
      hits(
        code.filter((file) => file !== self),
        /catch\s*(\([^)]*\))?\s*\{\s*\}/,
      ),
    ).toEqual([])
  })

  test('a file has one subject: 400 lines at the most', () => {
    const long = product.filter((file) => read(file).split('\n').length > 400 && !longFiles.has(file))
    expect(long).toEqual([])
  })

  test('every source file is reached from an entry, a test or a script', () => {
    const texts = code.map((file) => [file, read(file)] as const)
    const entries = /\/(main|index)\.ts$/
    const dead = product.filter((file) => {
      const name = file.split('/').at(-1) ?? ''
      return (
        !entries.test(file) && !texts.some(([other, text]) => other !== file && text.includes(`/${name}'`))
      )
    })
    expect(dead).toEqual([])
  })

  test('the lock file records no download address and holds the hash of every package', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>
    }
    const entries = Object.entries(lock.packages).filter(([path]) => path !== '')
    expect(entries.filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
    expect(entries.filter(([, entry]) => entry.integrity === undefined).map(([path]) => path)).toEqual([])
  })
})
