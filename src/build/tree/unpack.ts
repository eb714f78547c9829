import { join } from 'node:path'
import type { Sys } from '../../sys/index.ts'
import { essentialClosure, parseDeb822, readControls, unpackBatches } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { type Chamber, runScript } from '../workshop/index.ts'
import { extractInside } from './extract.ts'

/**
 * A package that counts as installed while others are configured: Debian's kernels want a program that makes an initrd
 * on the machine they run on, and here the initrd is made with the release.
 */
const presentPackage = 'ashlar-boot'
const initialStatus = `Package: ${presentPackage}
Status: install ok installed
Maintainer: Ashlar
Architecture: all
Version: 1
Provides: linux-initramfs-tool
Description: the boot file is made with the release

`

/** `$@`: packages in batches, each ended by `--`; the first is the essential ones. */
const installScript = `
cd /run/ashlar/debs
: > /var/lib/dpkg/info/${presentPackage}.list
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
force=--force-depends
batch=
for word; do
  if [ "$word" != -- ]; then batch="$batch $word.deb"; continue; fi
  dpkg --force-unsafe-io $force --unpack $batch
  # A package may wait for one of a later batch; the last run tells whether any still does.
  dpkg --configure --pending || [ -z "$force" ]
  batch=
  force=
done
dpkg --configure --pending
dpkg --audit
rm /usr/sbin/policy-rc.d /var/lib/dpkg/info/${presentPackage}.list
`

/**
 * Installs packages as dpkg does: the essential ones are extracted so that scripts can run at all, then everything is
 * unpacked and configured by the image's own dpkg. `tree` becomes the root; `scratch` is an empty folder beside it.
 * @throws BuildError `tool-failed`
 */
export async function installPackages(
  sys: Sys,
  tree: string,
  options: {
    readonly packages: string
    readonly names: readonly string[]
    readonly scratch: string
    readonly epochSeconds: number
    /** Called with how many packages are done. */
    readonly onInstalled: (done: number) => void
  },
): Promise<void> {
  const { packages, names, scratch, epochSeconds } = options
  const controls = await readControls(sys, packages, names)
  const essential = essentialClosure(controls)
  const first = [...essential].toSorted()
  await extractInside(sys, tree, packages, first)
  const database = join(tree, 'var/lib/dpkg')
  for (const name of ['info', 'updates']) await sys.disk.mkdir(join(database, name), { recursive: true })
  await sys.disk.writeFile(join(database, 'status'), initialStatus)
  const [root, work] = [join(scratch, 'root'), join(scratch, 'work')]
  for (const folder of [root, work]) await sys.disk.mkdir(folder)
  const chamber: Chamber = {
    root,
    epochSeconds,
    writes: { upper: tree, work },
    binds: [{ source: packages, name: 'debs' }],
  }
  const batches = [first, ...unpackBatches(controls, essential)]
  await runScript(sys, chamber, installScript, [...batches.flatMap((batch) => [...batch, '--'])], {
    onOutput: countInstalled(options.onInstalled),
  })
  await checkInstalled(sys, join(database, 'status'), names)
}

/** dpkg says a line when it unpacks a package and one when it sets it up: half of them is what is done. */
function countInstalled(report: (done: number) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder()
  let steps = 0
  let rest = ''
  return (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    steps += lines.filter((line) => /^(?:Unpacking|Setting up) /.test(line)).length
    report(Math.floor(steps / 2))
  }
}

/** Every package must be installed, and nothing but these; the helper's entry is taken out. */
async function checkInstalled(sys: Sys, file: string, names: readonly string[]): Promise<void> {
  const text = await sys.disk.readFile(file, 'utf8')
  const found = [...parseDeb822(text)].filter((entry) => entry.get('Status') === 'install ok installed')
  const installed = new Set(found.map((entry) => entry.get('Package')))
  const lacking = names.filter((name) => !installed.has(name))
  if (lacking.length > 0)
    throw new BuildError('tool-failed', `dpkg left these packages unconfigured: ${lacking.join(', ')}`)
  const kept = text
    .split(/\n\n+/)
    .filter((entry) => entry !== '' && !entry.startsWith(`Package: ${presentPackage}\n`))
  await sys.disk.writeFile(file, `${kept.join('\n\n')}\n`)
}
