import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Control, closureOf, parseControls, unpackBatches } from './control.ts'

const control = (name: string, fields: Partial<Control> = {}): Control => ({
  ...{ name, essential: false, depends: [], preDepends: [], provides: [] },
  ...fields,
})

test('relations lose versions, architectures and qualifiers', () => {
  const text =
    'Package: aa\nEssential: yes\nDepends: bb (>= 1) | c++:any, dd [amd64]\nPre-Depends: ee\nProvides: ff (= 1)\n'
  expect([...parseControls(text)]).toEqual([
    { name: 'aa', essential: true, depends: [['bb', 'c++'], ['dd']], preDepends: [['ee']], provides: ['ff'] },
  ])
})

test('a closure follows dependencies, also to who provides them', () => {
  const closure = closureOf(
    [
      control('base', {
        essential: true,
        depends: [['virtual'], ['absent', 'other']],
        preDepends: [['libc']],
      }),
      control('real', { provides: ['virtual'] }),
      control('libc'),
      control('other'),
      control('unneeded'),
    ],
    ({ essential }) => essential,
  )
  expect([...closure].toSorted()).toEqual(['base', 'libc', 'other', 'real'])
})

test.each([
  ['without pre-dependencies all come at once', [control('a'), control('b')], [['a', 'b']]],
  ['a pre-dependency comes first', [control('a', { preDepends: [['b']] }), control('b')], [['b'], ['a']]],
  [
    'what is configured already need not come',
    [control('a', { preDepends: [['done']] }), control('done')],
    [['a']],
  ],
  [
    'so with who provides it',
    [control('a', { preDepends: [['v']] }), control('b', { provides: ['v'] })],
    [['b'], ['a']],
  ],
  [
    'a circle shares a batch',
    [control('a', { preDepends: [['b']] }), control('b', { preDepends: [['a']] })],
    [['a', 'b']],
  ],
])('batches: %s', (_, controls, batches) => {
  expect(unpackBatches(controls, new Set(['done']))).toEqual(batches)
})

test('batches: every package comes exactly once', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const some = fc.array(fc.constantFrom(...names), { maxLength: 3 })
  fc.assert(
    fc.property(fc.tuple(some, some, some, some, some), (preDepends) => {
      const controls = names.map((name, i) =>
        control(name, { preDepends: (preDepends[i] ?? []).map((wanted) => [wanted]) }),
      )
      expect(unpackBatches(controls, new Set()).flat().toSorted()).toEqual(names)
    }),
  )
})
