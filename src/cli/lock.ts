import { join, resolve } from 'node:path'
import { lockDefinition } from '../build/index.ts'
import { openContentStore } from '../oci/index.ts'
import type { Registrar } from './command.ts'
import { shippedFiles } from './shipped-files.ts'

/** `ashlar lock`: the one command that solves dependencies and reaches a mirror. */
export function addLock({ command, act }: Registrar): void {
  command({
    usage: 'lock [folder]',
    summary: 'solve dependencies and pin every input of the build in ashlar.lock',
    example: 'lock examples/gateway',
  }).action(
    act(async ({ sys, folders, progress }, [folder = '.']) => {
      const store = await openContentStore(sys, folders.store)
      const { lock } = await lockDefinition({
        sys,
        folder: resolve(folder),
        store: store.blobs,
        stateFolder: join(folders.cache, 'lock'),
        ...(await shippedFiles(sys)),
        progress,
      })
      const summary = {
        lock: resolve(folder, 'ashlar.lock'),
        packages: lock.packages.length,
        tools: lock.tools.length,
        epochSeconds: lock.epochSeconds,
        pockets: lock.pockets.map((pocket) => pocket.name),
      }
      return {
        json: summary,
        text: `locked ${summary.packages} packages and ${summary.tools} packages of tools from ${summary.pockets.join(', ')}`,
      }
    }),
  )
}
