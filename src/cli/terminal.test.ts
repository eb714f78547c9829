import { describe, expect, test } from 'vitest'
import type { ProgressEvent } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { painter } from './colour.ts'
import { createTerminal, describe as describeProgress, type LogFormat } from './terminal.ts'

/** A terminal with its two streams, on a clock that stands until it is moved. */
function fixture(
  options: { tty?: boolean; columns?: number; environment?: Record<string, string>; format?: LogFormat } = {},
) {
  const out: string[] = []
  const err: string[] = []
  const at = { ms: 0 }
  const terminal = createTerminal(
    {
      out: { write: (text) => out.push(text) },
      err: {
        write: (text) => err.push(text),
        isTTY: options.tty ?? false,
        ...(options.columns !== undefined && { columns: options.columns }),
      },
    },
    { ...realSys.clock, monotonicMs: () => at.ms },
    options.environment ?? {},
    options.format,
  )
  return { terminal, out, err, at }
}
const bytes = (done: number, total = 10_000_000): ProgressEvent => ({
  step: 'fetch',
  done,
  total,
  unit: 'bytes',
})

describe('results and errors', () => {
  test('go to streams of their own, each with its line end', () => {
    const { terminal, out, err } = fixture()
    terminal.result('{}')
    terminal.error('no')
    terminal.note('by the way')
    expect([out, err]).toEqual([['{}\n'], ['no\n', 'by the way\n']])
  })

  test.each([
    ['a title for the window', '\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
    ['a way over what stands there', 'bad\rgood\u001b[1A\u001b[2K', 'bad\\u000dgood\\u001b[1A\\u001b[2K'],
    ['the same in one character', '\u009b2J\u007f', '\\u009b2J\\u007f'],
    ['what only looks like a colour', '\r[1m\n[1m\t[1m', '\\u000d[1m\n[1m\t[1m'],
    [
      'what hides and what colours, but tabs and lines',
      '\u001b[8mhidden\u001b[0m\u001b[1;31mred\ta\r\nb ü 日',
      '\\u001b[8mhidden\\u001b[0m\\u001b[1;31mred\ta\r\nb ü 日',
    ],
  ])('show what others wrote, but do not obey it: %s', (_, text, shown) => {
    const { terminal, out, err } = fixture()
    terminal.result(text)
    terminal.failure({ code: 'x', message: text })
    terminal.note(text)
    expect([out[0], err[0], err[1]]).toEqual([`${shown}\n`, `error: ${shown} [x]\n`, `${shown}\n`])
  })

  test('have colours of our own alone', () => {
    const { terminal, out, err } = fixture({ environment: { FORCE_COLOR: '1' } })
    const findings = [{ code: 'y', message: '\u001b[8mf', where: '\u001b[8mw', hint: '\u001b[8mh' }]
    terminal.failure({ code: 'x', message: '\u001b[8mm', where: '\u001b[8mw', hint: '\u001b[8mh', findings })
    terminal.painted(`${painter(terminal.colour)('bold', 'Usage:')} ashlar`)
    expect(err[0]?.split('\n')[0]).toBe('\u001b[31merror\u001b[0m: \\u001b[8mm \u001b[2m[x]\u001b[0m')
    expect([...(err[0] ?? '').matchAll(/\\u001b\[8m/g)]).toHaveLength(6)
    expect(err[0]).not.toContain('\u001b[8m')
    expect(out).toEqual(['\u001b[1mUsage:\u001b[0m ashlar\n'])
  })

  test('of JSON keep what it says', () => {
    const { terminal, out } = fixture()
    const value = { message: '\u001b[2J\u009b2J\u007f\r\n' }
    terminal.result(JSON.stringify(value))
    expect(JSON.parse(out[0] ?? '')).toEqual(value)
    expect(out[0]).not.toMatch(/[^\P{Cc}\n]/u)
  })

  test('an empty result writes nothing', () => {
    const { terminal, out } = fixture()
    terminal.result('')
    expect(out.join('')).toBe('')
  })
})

describe('progress in a file', () => {
  test('is one line for each step that ended', () => {
    const { terminal, out, err, at } = fixture()
    for (const done of [0, 5_000_000, 10_000_000]) {
      at.ms += 1_000
      terminal.progress(bytes(done))
    }
    terminal.progress({ step: 'pack', done: 1, total: 1, unit: 'items' })
    expect(err).toEqual(['fetch  100 %  10.0/10.0 MB  5.0 MB/s  2.0 s\n', 'pack  100 %  0.0 s\n'])
    expect(out).toEqual([])
  })
})

describe('progress on a terminal', () => {
  test('draws over its own line, not too often, and leaves it at the end', () => {
    const { terminal, err, at } = fixture({ tty: true })
    terminal.progress(bytes(0))
    at.ms = 50
    terminal.progress(bytes(1_000_000))
    at.ms = 1_000
    terminal.progress(bytes(2_000_000))
    at.ms = 1_001
    terminal.progress(bytes(10_000_000))
    expect(err).toEqual([
      '\r\u001b[Kfetch  0 %  0.0/10.0 MB',
      '\r\u001b[Kfetch  20 %  2.0/10.0 MB  2.0 MB/s  4 s left',
      '\r\u001b[Kfetch  100 %  10.0/10.0 MB  10.0 MB/s  1.0 s',
      '\n',
    ])
  })

  test('never fills the last column, so that no line wraps', () => {
    const { terminal, err } = fixture({ tty: true, columns: 12 })
    terminal.progress(bytes(5_000_000))
    expect(err.join('').replace('\r\u001b[K', '')).toHaveLength(11)
  })

  test('a terminal that does not know its size is taken for one of 80 columns', () => {
    const { terminal, err } = fixture({ tty: true, columns: 0 })
    terminal.progress(bytes(5_000_000))
    expect(err.join('')).toContain('5.0/10.0 MB')
  })

  test('a note, and another step, do not stand in the middle of a line', () => {
    const { terminal, err, at } = fixture({ tty: true })
    terminal.progress(bytes(1))
    terminal.note('node-1: confirmed')
    at.ms = 1_000
    terminal.progress(bytes(2))
    at.ms = 2_000
    terminal.progress({ step: 'pack', done: 1, unit: 'items' })
    terminal.endProgress()
    terminal.endProgress()
    const lines = err.join('').split('\n')
    expect(lines.map((line) => line.replace('\r\u001b[K', '').split(' ')[0])).toEqual([
      ...['fetch', 'node-1:', 'fetch', 'pack', ''],
    ])
  })
})

test.each([
  ['an unknown total', { step: 's', done: 3_000_000, unit: 'bytes' }, 's  3.0 MB  3.0 MB/s'],
  ['items are counted', { step: 's', done: 3, total: 12, unit: 'items' }, 's  25 %  3/12  3 s left'],
  ['one item is not worth counting', { step: 's', done: 1, total: 1, unit: 'items' }, 's  100 %  1.0 s'],
  [
    'which of several things is under way',
    { step: 's', item: { number: 3, of: 57 }, done: 3_000_000, total: 6_000_000, unit: 'bytes' },
    's 3/57  50 %  3.0/6.0 MB  3.0 MB/s  1 s left',
  ],
  ['nothing to do is done', { step: 's', done: 0, total: 0, unit: 'bytes' }, 's  0.0/0.0 MB  1.0 s'],
] satisfies [string, ProgressEvent, string][])('%s', (_, event, text) => {
  expect(describeProgress(event, 1_000)).toBe(text)
})

test('what was there before the step began does not count as speed', () => {
  expect(describeProgress(bytes(6_000_000), 1_000, 5_000_000)).toContain('1.0 MB/s  4 s left')
})

describe('as a log', () => {
  test('each line is a JSON object with its time and level; a step that goes on speaks once a second', () => {
    const { terminal, out, err, at } = fixture({ tty: true, format: 'json' })
    for (const [ms, done] of [
      [0, 0],
      [400, 1_000_000],
      [1_200, 4_000_000],
      [1_500, 10_000_000],
    ] as const) {
      at.ms = ms
      terminal.progress(bytes(done))
    }
    terminal.note('by the way')
    terminal.failure({ code: 'disk-full', message: 'no', hint: 'df -h' })
    terminal.result('{}')
    const lines = err.map((line) => JSON.parse(line))
    expect(lines.map(({ level, done }) => [level, done])).toEqual([
      ['progress', 0],
      ['progress', 4_000_000],
      ['progress', 10_000_000],
      ['info', undefined],
      ['error', undefined],
    ])
    expect(lines[2]).toMatchObject({ step: 'fetch', total: 10_000_000, unit: 'bytes', seconds: 1.5 })
    expect(lines[4]).toMatchObject({ code: 'disk-full', hint: 'df -h', time: expect.stringMatching(/Z$/) })
    expect(out).toEqual(['{}\n'])
  })
})
