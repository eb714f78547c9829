import { join } from 'node:path'
import type { Sys } from '../../sys/index.ts'
import { type Control, closureOf, parseDeb822, presentPackage, unpackBatches } from '../debian/index.ts'
import { BuildError } from '../errors.ts'
import { type Chamber, runScript } from '../workshop/index.ts'
import { extractInside } from './extract.ts'
import { LaidTree } from './laid-tree.ts'

const statusPath = '/var/lib/dpkg/status'

/** `$1`: how dpkg is forced in the first batch; after it packages in batches, each ended by `--`. */
const installScript = `
cd /run/ashlar/debs
: > /var/lib/dpkg/info/${presentPackage.name}.list
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
force=$1
shift
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
rm /usr/sbin/policy-rc.d /var/lib/dpkg/info/${presentPackage.name}.list
`

/** Packages as files `<folder>/<name>.deb`, and where they are installed. */
export interface Installation {
  /** Becomes the root. */
  readonly tree: string
  readonly folder: string
  /** An empty folder beside the tree. */
  readonly scratch: string
  readonly epochSeconds: number
  /** Called with how many packages are done. */
  readonly onInstalled: (done: number) => void
}

/**
 * Begins a tree: the essential packages are extracted so that scripts can run at all, then these packages, all that they
 * depend on among them, are unpacked and configured by the image's own dpkg. @throws BuildError `tool-failed`
 */
export async function installFirst(
  sys: Sys,
  installation: Installation,
  controls: readonly Control[],
): Promise<void> {
  const { tree, folder } = installation
  const essential = closureOf(controls, (control) => control.essential)
  const first = [...essential].toSorted()
  await extractInside(sys, tree, folder, first)
  const laid = new LaidTree(sys, tree)
  for (const name of ['info', 'updates']) await laid.ensureFolder(`/var/lib/dpkg/${name}`)
  await laid.writeFile(statusPath, presentPackage.status)
  await install(sys, installation, [first, ...unpackBatches(controls, essential)], '--force-depends')
}

/** Adds what is not yet installed. @throws BuildError `tool-failed` */
export async function installMore(
  sys: Sys,
  installation: Installation,
  controls: readonly Control[],
  installed: ReadonlySet<string>,
): Promise<void> {
  const batches = unpackBatches(controls, installed)
  if (batches.length > 0) await install(sys, installation, batches)
}

async function install(
  sys: Sys,
  { tree, folder, scratch, epochSeconds, onInstalled }: Installation,
  batches: readonly (readonly string[])[],
  force = '',
): Promise<void> {
  const [root, work] = [join(scratch, 'root'), join(scratch, 'work')]
  for (const path of [root, work]) await sys.disk.mkdir(path)
  const chamber: Chamber = {
    root,
    epochSeconds,
    writes: { upper: tree, work },
    binds: [{ source: folder, name: 'debs' }],
  }
  const words = batches.flatMap((batch) => [...batch, '--'])
  await runScript(sys, chamber, installScript, [force, ...words], { onOutput: countInstalled(onInstalled) })
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

/** Every package must be installed; the helper's entry is taken out. @throws BuildError `tool-failed` */
export async function finishInstallation(sys: Sys, tree: string, names: readonly string[]): Promise<void> {
  const laid = new LaidTree(sys, tree)
  const text = (await laid.readText(statusPath)) ?? ''
  const found = [...parseDeb822(text)].filter((entry) => entry.get('Status') === 'install ok installed')
  const installed = new Set(found.map((entry) => entry.get('Package')))
  const lacking = names.filter((name) => !installed.has(name))
  if (lacking.length > 0)
    throw new BuildError('tool-failed', `dpkg left these packages unconfigured: ${lacking.join(', ')}`)
  const kept = text
    .split(/\n\n+/)
    .filter((entry) => entry !== '' && !entry.startsWith(`Package: ${presentPackage.name}\n`))
  await laid.writeFile(statusPath, `${kept.join('\n\n')}\n`)
}
