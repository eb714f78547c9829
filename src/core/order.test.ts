import { expect, test } from 'vitest'
import { isHigher } from './order.ts'

const of = (epoch: number, number: number) => ({ epoch, number })
test.each([
  [of(1, 2), of(1, 1), true],
  [of(2, 0), of(1, 9), true],
  [of(1, 1), of(1, 1), false],
  [of(1, 1), of(1, 2), false],
  [of(1, 9), of(2, 0), false],
])('whether %o is above %o: %s', (order, than, higher) => expect(isHigher(order, than)).toBe(higher))
