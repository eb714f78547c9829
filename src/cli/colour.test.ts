import { expect, test } from 'vitest'
import { hasColour } from './colour.ts'

test.each<[string, boolean, Record<string, string>, boolean]>([
  ['a terminal has colour', true, { TERM: 'xterm-256color' }, true],
  ['a file has none', false, {}, false],
  ['a terminal that cannot has none', true, { TERM: 'dumb' }, false],
  ['NO_COLOR takes it away', true, { NO_COLOR: '1' }, false],
  ['NO_COLOR that is empty counts for nothing', true, { NO_COLOR: '' }, true],
  ['CLICOLOR=0 takes it away', true, { CLICOLOR: '0' }, false],
  ['CLICOLOR=1 is what a terminal has anyway', true, { CLICOLOR: '1' }, true],
  ['CLICOLOR=1 does not put it into a file', false, { CLICOLOR: '1' }, false],
  ['FORCE_COLOR puts it into a file', false, { FORCE_COLOR: '1' }, true],
  ['CLICOLOR_FORCE does too', false, { CLICOLOR_FORCE: '1' }, true],
  ['CLICOLOR_FORCE=0 forces nothing', false, { CLICOLOR_FORCE: '0' }, false],
  ['FORCE_COLOR=0 takes it away', true, { FORCE_COLOR: '0' }, false],
  ['who wants none wins over who forces it', false, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ['a force wins over a terminal that cannot', true, { TERM: 'dumb', FORCE_COLOR: '1' }, true],
])('%s', (_, isTerminal, environment, colour) => {
  expect(hasColour(environment, isTerminal)).toBe(colour)
})
