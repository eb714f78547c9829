import type { FuzzTarget } from './target.ts'
import { buildTargets } from './targets/build.ts'
import { commandTargets } from './targets/commands.ts'
import { coreTargets } from './targets/core.ts'
import { nodeTargets } from './targets/node.ts'
import { packageTargets } from './targets/packages.ts'
import { proofTargets } from './targets/proof.ts'
import { releaseTargets } from './targets/releases.ts'
import { wireTargets } from './targets/wire.ts'

/** Every reader of bytes from outside. A new one belongs here, with inputs that it accepts. */
export const targets: readonly FuzzTarget[] = [
  ...coreTargets,
  ...buildTargets,
  ...packageTargets,
  ...releaseTargets,
  ...proofTargets,
  ...wireTargets,
  ...nodeTargets,
  ...commandTargets,
]
