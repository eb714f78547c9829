import { expect, test } from 'vitest'
import { z } from 'zod'
import { readTolerantly } from './index.ts'

const schema = z.strictObject({
  name: z.string(),
  slots: z.array(z.discriminatedUnion('is', [z.strictObject({ is: z.literal('empty') })])),
})

test.each([
  ['what is known is read', { name: 'a', slots: [] }, { name: 'a', slots: [] }],
  ['an unknown field is left out', { name: 'a', slots: [], more: 1 }, { name: 'a', slots: [] }],
  [
    'one further in, too',
    { name: 'a', slots: [{ is: 'empty', since: 5 }], more: { deep: true } },
    { name: 'a', slots: [{ is: 'empty' }] },
  ],
  ['an unknown value is refused', { name: 'a', slots: [{ is: 'frozen' }] }, undefined],
  ['a missing field is refused', { slots: [], more: 1 }, undefined],
])('%s', (_, value, expected) => {
  const before = structuredClone(value)
  expect(readTolerantly(schema, value).data).toEqual(expected)
  expect(value).toEqual(before)
})
