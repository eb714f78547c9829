import type { FuzzTarget } from './target.ts'
import { buildTargets } from './targets/build.ts'
import { commandTargets } from './targets/commands.ts'
import { coreTargets } from './targets/core.ts'
import { hostTargets } from './targets/host.ts'
import { nodeTargets } from './targets/node.ts'
import { packageTargets } from './targets/packages.ts'
import { proofTargets } from './targets/proof.ts'
import { registryClientTargets } from './targets/registry-client.ts'
import { releaseTargets } from './targets/releases.ts'
import { serverTargets } from './targets/server.ts'
import { wireTargets } from './targets/wire.ts'

/** Every reader of bytes from outside. A new one belongs here, with inputs that it accepts. */
export const targets: readonly FuzzTarget[] = [
  ...coreTargets,
  ...buildTargets,
  ...packageTargets,
  ...hostTargets,
  ...releaseTargets,
  ...registryClientTargets,
  ...proofTargets,
  ...wireTargets,
  ...serverTargets,
  ...nodeTargets,
  ...commandTargets,
]
