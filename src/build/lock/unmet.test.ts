import { expect, test } from 'vitest'
import { Catalogue } from '../debian/archive-index.ts'
import { explainUnmet } from './unmet.ts'

const sha256 = 'ab'.repeat(32)

/** A catalogue of packages in version 1.0. */
function catalogueOf(packages: Readonly<Record<string, Readonly<Record<string, string>>>>): Catalogue {
  const catalogue = new Catalogue()
  const paragraphs = Object.entries(packages).map(([name, fields]) => {
    const all = { Package: name, Version: '1.0', Architecture: 'all', ...fields }
    const text = Object.entries(all).map(([field, value]) => `${field}: ${value}\n`)
    return `${text.join('')}Filename: pool/${name}.deb\nSize: 1\nSHA256: ${sha256}\n`
  })
  catalogue.add(paragraphs.join('\n'), 'debian')
  return catalogue
}

const catalogue = catalogueOf({
  lib: {},
  hello: { Depends: 'lib (>= 1.0)' },
  broken: { Depends: 'nowhere' },
  middle: { Depends: 'broken' },
  deep: { Depends: 'lib, middle' },
  newer: { 'Pre-Depends': 'lib (>= 2.0)' },
  either: { Depends: 'nowhere | lib (>= 2.0)' },
  choice: { Depends: 'broken | lib' },
  exim: { Provides: 'mta', Conflicts: 'mta' },
  postfix: { Provides: 'mta', Conflicts: 'mta' },
  mailer: { Depends: 'exim' },
  breaker: { Breaks: 'lib (<< 2)' },
  mild: { Breaks: 'lib (<< 1)' },
  kernel: { Depends: 'linux-initramfs-tool' },
  versioned: { Depends: 'api (>= 3)' },
  api: { Provides: 'api (= 3)', Version: '1.0' },
  'api-old': { Provides: 'api (= 2)' },
})

test.each<[string, string, string[]]>([
  ['what can be had has no reason', 'hello choice mild lib kernel versioned', []],
  [
    'a name that nothing has, with the way to it',
    'deep',
    [
      'deep: deep depends on middle, middle depends on broken; broken depends on nowhere, and the archive has no package nowhere',
    ],
  ],
  [
    'a version that the archive does not have',
    'newer',
    ['newer: newer depends on lib (>= 2.0), and the archive has lib 1.0'],
  ],
  [
    'alternatives of which none is there',
    'either',
    ['either: either depends on nowhere | lib (>= 2.0), and the archive has no package nowhere and lib 1.0'],
  ],
  [
    'a conflict over what both provide',
    'exim postfix',
    ['exim: exim conflicts with mta, which postfix provides'],
  ],
  [
    'a conflict with something that another wants',
    'mailer postfix',
    ['postfix: mailer depends on exim; postfix conflicts with mta, which exim provides'],
  ],
  [
    'a package that breaks another',
    'breaker hello',
    ['breaker: hello depends on lib; breaker breaks lib (<< 2)'],
  ],
  [
    'every reason at once',
    'broken newer',
    [
      'broken: broken depends on nowhere, and the archive has no package nowhere',
      'newer: newer depends on lib (>= 2.0), and the archive has lib 1.0',
    ],
  ],
])('%s', (_, roots, reasons) => {
  const unmet = explainUnmet(catalogue, roots.split(' '), ['linux-initramfs-tool'])
  expect(unmet.map(({ root, message }) => `${root}: ${message}`)).toEqual(reasons)
})
