import { type FuzzTarget, promise } from './target.ts'

/** Targets with a fault each, so that it is known that the fuzzer finds such faults. */
const broken = (name: string, read: FuzzTarget['read']): FuzzTarget => ({
  ...{ name, form: 'text', seeds: ['a seed'], refuses: [], read },
})
const seldom = (input: Uint8Array) => input.length > 20

export const targets: readonly FuzzTarget[] = [
  broken('hangs', (input) => {
    while (seldom(input));
  }),
  broken('hangs-in-a-pattern', (input) => /^(a+)+$/.test(seldom(input) ? `${'a'.repeat(60)}b` : 'a')),
  broken('grows', (input) => {
    for (const kept: number[][] = []; seldom(input); ) kept.push(new Array<number>(4e6).fill(0.5))
  }),
  broken('throws', (input) => seldom(input) && Reflect.get(JSON.parse('null') as object, 'a')),
  broken('overflows', (input) => {
    const down = (levels: number): number => (levels === 0 ? 0 : 1 + down(levels - 1))
    return down(seldom(input) ? 1e6 : 1)
  }),
  broken('breaks-a-promise', (input) => promise(!seldom(input), 'is short')),
  broken('is-sound', () => undefined),
]
