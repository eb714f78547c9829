import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { targets as broken } from './fuzz/broken-targets.ts'
import { cases } from './fuzz/cases.ts'
import { runFuzz } from './fuzz/run.ts'
import { tryInput } from './fuzz/target.ts'
import { targets } from './fuzz/targets.ts'

test('every target has a name of its own', () => {
  const names = targets.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test.each(targets)('$name accepts the inputs that others are made from', async (target) => {
  for (const seed of target.seeds) expect(await tryInput(target, Buffer.from(seed))).toBe('accepted')
})

test.each(cases)('%s: %s', async (name, _, input) => {
  const target = targets.find((one) => one.name === name)
  expect(target).toBeDefined()
  if (target !== undefined) expect(await tryInput(target, Buffer.from(input))).toMatch(/^(accepted|refused)$/)
})

/** What the fuzzer would miss it would not tell: each of these has a fault of one kind. */
test.each(broken)('a target that $name is found out, and the input made short', async ({ name }) => {
  const [report] = await runFuzz({
    ...{ module: resolve(import.meta.dirname, 'fuzz/broken-targets.ts'), names: [name], secondsEach: 0.2 },
    ...{
      seed: 1,
      coverage: true,
      shortenMs: 500,
      hangMs: name === 'grows' ? 20_000 : 2_000,
      onReport: () => undefined,
    },
  })
  expect(report?.findings.map(({ error }) => error)).toEqual(
    found[name]?.map((text) => expect.stringContaining(text)),
  )
  if (name === 'throws') expect(report?.findings[0]?.input.length).toBe(21)
})

const found: Readonly<Record<string, readonly string[]>> = {
  hangs: ['hangs'],
  'hangs-in-a-pattern': ['hangs'],
  grows: ['memory limit'],
  throws: ['TypeError'],
  overflows: ['RangeError'],
  'breaks-a-promise': ['is short'],
  'is-sound': [],
}
