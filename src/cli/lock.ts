import { join, resolve } from 'node:path'
import { fetchLocked, lockDefinition } from '../build/index.ts'
import { openContentStore } from '../oci/index.ts'
import type { Registrar } from './command.ts'
import { shippedFiles } from './shipped-files.ts'
import { stoppable } from './stoppable.ts'

/** `ashlar lock`: the one command that solves dependencies and reaches a mirror. */
export function addLock({ command, act }: Registrar): void {
  command({
    usage: 'lock [folder]',
    summary: 'solve dependencies and pin every input of the build in ashlar.lock',
    about:
      'Reads ashlar.yaml, asks the archives of Debian through this host’s apt, checks their signatures, and writes down each input by version, size and sha256. What it names is kept in the local store, so that the build needs no network. Commit ashlar.lock beside the definition. A lock holds until the definition asks for other packages; lock again to get newer versions.',
    examples: ['lock examples/gateway', 'lock examples/gateway --keep'],
    see: ['build', 'fsck'],
  })
    .option(
      '--keep',
      'leave ashlar.lock as it is, and fetch what it names and the store lacks or holds damaged',
    )
    .action(
      act<{ keep?: true }>(async (context, [folder = '.'], { keep }) => {
        const { folders, progress, terminal } = context
        const sys = stoppable(context.sys, context.signal)
        const options = {
          sys,
          folder: resolve(folder),
          store: (await openContentStore(sys, folders.store)).blobs,
          stateFolder: join(folders.cache, 'lock'),
          ...(await shippedFiles(sys)),
          progress,
          note: terminal.note,
        }
        const lock = keep ? await fetchLocked(options) : (await lockDefinition(options)).lock
        const summary = {
          lock: resolve(folder, 'ashlar.lock'),
          packages: lock.packages.length,
          tools: lock.tools.length,
          ...(lock.bases !== undefined && {
            bases: lock.bases.map(({ name, digest }) => ({ name, digest })),
          }),
          epochSeconds: lock.epochSeconds,
          pockets: lock.pockets.map((pocket) => pocket.name),
        }
        const bases = lock.bases?.length ?? 0
        const images = bases === 0 ? '' : `${bases} base ${bases === 1 ? 'image' : 'images'}, `
        const what = `${images}${summary.packages} packages and ${summary.tools} packages of tools`
        return {
          json: summary,
          text: keep
            ? `the store has all ${what} of the lock`
            : `locked ${what} from ${summary.pockets.join(', ')}`,
        }
      }),
    )
}
