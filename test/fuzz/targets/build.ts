import { Catalogue, parsePackages, parseRelease } from '../../../src/build/debian/archive-index.ts'
import { parseControls, unpackBatches } from '../../../src/build/debian/control.ts'
import { compareVersions } from '../../../src/build/debian/debian-version.ts'
import { holds, parseRelations, printRelation } from '../../../src/build/debian/relation.ts'
import { BuildError } from '../../../src/build/errors.ts'
import { parseSimulation } from '../../../src/build/lock/apt.ts'
import { readExplanation } from '../../../src/build/lock/apt-explanation.ts'
import { judgeStatus } from '../../../src/build/lock/signature.ts'
import { parseVarList, pathsOfTmpfiles, tmpfilesOf } from '../../../src/build/tree/var-content.ts'
import { canonicalJson, type LockedPackage, lockSchema } from '../../../src/core/index.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'

const sha256 = 'ab'.repeat(32)

const packages = `Package: hello
Source: hello-source (2.9-1)
Version: 2.10-3
Essential: yes
Architecture: amd64
Pre-Depends: libc6 (>= 2.36) | libc6.1
Depends: libhello (= 2.10-3), debconf (>= 0.5) | debconf-2.0
Description: example
 continued
 .
 again
Filename: pool/main/h/hello/hello_2.10-3_amd64.deb
Size: 53080
SHA256: ${sha256}

Package: libhello
Version: 1:2.10~rc1-3+b1
Architecture: all
Filename: pool/main/h/hello/libhello_2.10-3_all.deb
Size: 1
SHA256: ${sha256}
`

const release = `Origin: Debian
Suite: stable
Codename: bookworm
Date: Sat, 06 Sep 2025 10:00:00 UTC
Valid-Until: Sat, 13 Sep 2025 10:00:00 UTC
Architectures: amd64 arm64
SHA256:
 ${sha256} 48000000 main/binary-amd64/Packages
 ${sha256} 0 main/binary-all/Packages.xz
`

const status = `[GNUPG:] NEWSIG
[GNUPG:] KEY_CONSIDERED ${'AB'.repeat(20)} 0
[GNUPG:] GOODSIG ${'AB'.repeat(8)} Debian Archive
[GNUPG:] VALIDSIG ${'CD'.repeat(20)} 2025-09-06 1757152800 0 4 0 1 8 01 ${'AB'.repeat(20)}
[GNUPG:] NEWSIG
[GNUPG:] ERRSIG ${'AB'.repeat(8)} 1 8 01 1757152800 9 -
[GNUPG:] NO_PUBKEY ${'AB'.repeat(8)}
`

const simulation = `Inst libc6 (2.36-9+deb12u9 Debian:12.9/stable [amd64])
Inst hello:amd64 (2.10-3 Debian:12.9/stable, Debian-Security:12/stable-security [amd64]) [x:amd64 ]
Conf libc6 (2.36-9+deb12u9 Debian:12.9/stable [amd64])
`

const explanation = `The following packages have unmet dependencies:
 broken : Depends: nowhere but it is not installable
          Depends: other (>= 2) but it is not going to be installed or
                   third but it is not installable
 next : Conflicts: broken
   1. broken:amd64=1.0 is selected for install
   2. broken:amd64 Depends nowhere
E: Unable to correct problems, you have held broken packages.
`

/** What is taken from an index goes into the lock, so that the lock must be able to hold it. */
function promiseLockable(found: LockedPackage): void {
  promise(lockSchema.shape.tools.safeParse([found]).success, 'a package that no lock can hold')
}

export const buildTargets: readonly FuzzTarget[] = [
  {
    name: 'archive-packages',
    form: 'text',
    seeds: [packages],
    words: ['Package: x', 'Filename: ', 'Size: ', '\n\n', '../', 'Version: ', 'SHA256: '],
    refuses: [BuildError],
    read(bytes) {
      const text = textOf(bytes)
      for (const found of parsePackages(text, 'debian')) promiseLockable(found)
      const catalogue = new Catalogue()
      catalogue.add(text, 'debian')
      for (const name of ['hello', 'libhello']) catalogue.find(name, '2.10-3', 'amd64')
      promise(
        [...catalogue.names()].every((name) => catalogue.has(name)),
        'a name that is not there',
      )
    },
  },
  {
    name: 'archive-release',
    form: 'text',
    seeds: [release],
    words: ['Date: ', 'SHA256:', sha256, 'Sat, 06 Sep 2025 10:00:00 UTC', '-1'],
    refuses: [BuildError],
    read(bytes) {
      const { dateSeconds, files } = parseRelease(textOf(bytes), 'bookworm')
      promise(Number.isSafeInteger(dateSeconds) && dateSeconds >= 0, 'a date that no lock can hold')
      for (const { sizeBytes } of files.values())
        promise(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'a size that is none')
    },
  },
  {
    name: 'gpgv-status',
    form: 'text',
    seeds: [status],
    words: ['[GNUPG:] ', 'BADSIG ', 'VALIDSIG '],
    refuses: [BuildError],
    read(bytes) {
      const signers = judgeStatus(textOf(bytes), 'InRelease')
      promise(
        signers.length > 0 && signers.every((key) => /^[0-9A-F]{40}$/.test(key)),
        'a signer that is none',
      )
    },
  },
  {
    name: 'apt-output',
    form: 'text',
    seeds: [simulation, explanation],
    words: ['Inst ', ' (', ' [amd64])', ' : Depends: ', ' or'],
    refuses: [BuildError],
    read(bytes) {
      const text = textOf(bytes)
      for (const { name, version } of parseSimulation(text))
        promise(name !== '' && version !== '', 'a nameless package')
      for (const reason of readExplanation(text)) promise(reason.package !== '', 'a nameless reason')
    },
  },
  {
    name: 'control-fields',
    form: 'text',
    seeds: [packages],
    words: [', ', ' | ', ' (>= 1)', ':any', 'Depends: ', 'Pre-Depends: ', 'Provides: '],
    refuses: [BuildError],
    read(bytes) {
      const controls = [...parseControls(textOf(bytes))]
      const batches = unpackBatches(controls, new Set())
      promise(batches.flat().length === controls.length, 'a package that is in no batch, or in two')
    },
  },
  {
    name: 'relations',
    form: 'text',
    seeds: ['libc6 (>= 2.36) | libc6.1, hello:any (<< 1:2.0~rc1-1), a+b [amd64]', '2.10-3 1:0-1'],
    words: [', ', ' | ', '(>= ', '(= 1)', '~', ':', '-'],
    refuses: [BuildError],
    read(bytes) {
      const text = textOf(bytes)
      for (const relation of parseRelations(text).flat()) {
        holds('1.0', relation)
        const [again] = parseRelations(printRelation(relation)).flat()
        promise(
          canonicalJson(again ?? null) === canonicalJson(relation),
          'a printed relation is read as another one',
        )
      }
      const [a = '', b = ''] = text.split(/\s+/)
      const [there, back] = [compareVersions(a, b), compareVersions(b, a)]
      promise(Math.sign(there) === -Math.sign(back), 'versions have no order')
      promise(compareVersions(a, a) === 0, 'a version differs from itself')
    },
  },
  {
    name: 'var-content',
    form: 'text',
    seeds: [
      'd\x00755\x000\x000\x00log\x00\x00f\x00640\x000\x0033\x00www/a b\x00\x00',
      'd /var/log 0755 - - -\nq /var/tmp/ 1777\n',
    ],
    words: ['\0', '/var/', '"', '%', '\n'],
    refuses: [BuildError],
    read: (bytes) => tmpfilesOf(parseVarList(textOf(bytes)), pathsOfTmpfiles(textOf(bytes))),
  },
]
