import { expect, test } from 'vitest'
import { nearest } from './index.ts'

test.each([
  ['a letter too few finds the word', 'ngnx', ['nginx', 'apache2'], ['nginx']],
  [
    'the nearest stands first',
    'nginx-lite',
    ['nginx-light', 'nginx-lites', 'nginx'],
    ['nginx-lites', 'nginx-light'],
  ],
  ['nothing near gives nothing', 'zzzzzz', ['nginx', 'apache2'], []],
  ['equals are in alphabetical order', 'cat', ['hat', 'bat'], ['bat', 'hat']],
] as const)('%s', (_, word, candidates, expected) => {
  expect(nearest(word, candidates)).toEqual(expected)
})
