import { expect, test } from 'vitest'
import { adviceOn } from './advice.ts'

test.each([
  ['root-digest-mismatch', /rollout start FLEET DIGEST; .*disk/],
  ['content-digest-mismatch', /build, sign and push/],
])('%s: advice that fits where it was noticed', (code, advice) => {
  expect(adviceOn({ code })).toMatch(advice)
})
