import { expect, test } from 'vitest'
import { readExplanation } from './apt-explanation.ts'

const head = `Reading package lists...
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
distribution that some required packages have not yet been created
or been moved out of Incoming.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
`
const foot = 'E: Unable to correct problems, you have held broken packages.\n'

/** Each as apt 2.6.1 or 3.0.4 wrote it. */
test.each([
  [
    'the list of the old solver, with a second relation and an alternative',
    `${head} alt : Depends: nowhere but it is not installable or
                libhello (>= 2) but it is not going to be installed
 exim : Conflicts: mta
        Breaks: other (< 2)
${foot}`,
    [
      'alt Depends: nowhere but it is not installable or libhello (>= 2) but it is not going to be installed',
      'exim Conflicts: mta',
      'exim Breaks: other (< 2)',
    ],
  ],
  [
    'the list, where both solvers speak',
    `${head} newer : Depends: libhello (>= 2.0) but it is not going to be installed
${foot}E: The following information from --solver 3.0 may provide additional context:
   Unable to satisfy dependencies. Reached two conflicting decisions:
   1. newer:amd64=1.0 is selected for install
   2. newer:amd64 Depends libhello (>= 2.0)
      but none of the choices are installable:
      [no choices]
`,
    ['newer Depends: libhello (>= 2.0) but it is not going to be installed'],
  ],
  [
    'the steps of the new solver alone',
    `E: Unable to satisfy dependencies. Reached two conflicting decisions:
   1. libhello:amd64 is selected for install because:
      1. hello:amd64=1.0 is selected for install
      2. hello:amd64 Depends libhello (>= 1.0)
   2. libhello:amd64 is available in version 1.0
      but none of the choices are installable:
      - libhello:amd64=1.0 is not selected for install because:
        1. breaker:amd64=1.0 is selected for install
        2. breaker:amd64 Breaks libhello (< 2)
`,
    ['hello Depends libhello (>= 1.0)', 'breaker Breaks libhello (< 2)'],
  ],
  ['another complaint', "E: Package 'mta' has no installation candidate\n", []],
])('%s', (_, output, reasons) => {
  expect(readExplanation(output).map((reason) => `${reason.package} ${reason.says}`)).toEqual(reasons)
})
