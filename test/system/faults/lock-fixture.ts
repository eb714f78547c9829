import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LockOptions, lockDefinition } from '../../../src/build/index.ts'
import { noProgress } from '../../../src/core/index.ts'
import { openContentStore } from '../../../src/oci/index.ts'
import { realSys } from '../../../src/sys/index.ts'
import type { DebianArchive } from '../../../src/testing/index.ts'

/** Packages of a small archive: what every image has, and some to ask for. */
export const smallPackages = {
  'base-files': { Essential: 'yes' },
  'usr-is-merged': {},
  hello: { Depends: 'libhello' },
  libhello: {},
}

/** The folder of a container's definition. */
export function defineContainer(
  folder: string,
  mirrors: DebianArchive['mirrors'],
  packages: readonly string[],
): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'ashlar.yaml'),
    `apiVersion: ashlar/v1
kind: Image
metadata: { name: small, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm, mirrors: ${JSON.stringify(mirrors)} }
  packages: ${JSON.stringify(packages)}
  run: { command: [/bin/true] }
`,
  )
  return folder
}

/** Locks a definition into the store and state of `data`; waits between attempts take no time. */
export async function lockIn(
  data: string,
  definition: string,
  keyring: string,
  more: Partial<LockOptions> = {},
): Promise<Awaited<ReturnType<typeof lockDefinition>>> {
  const input = { file: import.meta.filename, version: '1.0.0' }
  const { blobs } = await openContentStore(realSys, join(data, 'store'))
  return await lockDefinition({
    sys: { ...realSys, clock: { ...realSys.clock, sleep: async () => undefined } },
    ...{ folder: definition, store: blobs, stateFolder: join(data, 'state'), node: input, agent: input },
    ...{ keyring, progress: noProgress, ...more },
  })
}
