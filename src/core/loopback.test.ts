import { expect, test } from 'vitest'
import { isLoopback } from './loopback.ts'

test.each([
  ['127.0.0.1', true],
  ['127.8.9.255', true],
  ['::1', true],
  ['[::1]', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['10.0.0.1', false],
  ['127.0.0.256', false],
  ['127.1', false],
  ['127.0.0.1.example', false],
  ['localhost.example', false],
  ['[::1', false],
  ['::', false],
])('%s is loopback: %s', (host, expected) => expect(isLoopback(host)).toBe(expected))
