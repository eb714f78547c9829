import { expect, test } from 'vitest'
import { wordsOf } from './network.ts'

test('a name of which no address answers is refused with the fault of each address', () => {
  const faults = ['::1:80', '127.0.0.1:80'].map((address) => new Error(`connect ECONNREFUSED ${address}`))
  // As net.connect makes it: the whole has no message.
  expect(wordsOf(new AggregateError(faults))).toBe(
    'connect ECONNREFUSED ::1:80; connect ECONNREFUSED 127.0.0.1:80',
  )
  expect(wordsOf(new AggregateError(faults, 'all failed'))).toBe('all failed')
  expect(wordsOf(new Error('socket hang up'))).toBe('socket hang up')
})
