import { resolve } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { ashlarVersion } from './ashlar-version.ts'
import { CliError } from './context.ts'

interface ShippedFile {
  readonly file: string
  readonly version: string
}

/** Where npm puts the Node that our lock file pins. Another one may link against what an image does not have. */
const pinnedNode = /\/node-linux-(?:x64|arm64)\/bin\/node$/

/** The agent's bundle and the Node binary that a system carries: the ones that this Ashlar came with. @throws CliError `file-missing` */
export async function shippedFiles(
  sys: Sys,
): Promise<{ readonly agent: ShippedFile; readonly node: ShippedFile }> {
  // In a clone this file is a source; where Ashlar is shipped it is part of a bundle that lies beside the agent's.
  const beside = import.meta.filename.endsWith('.ts') ? '../../dist/agent.js' : 'agent.js'
  const agent = resolve(import.meta.dirname, beside)
  try {
    await sys.disk.access(agent)
  } catch (cause) {
    throw new CliError('file-missing', 'the agent’s bundle is not made', {
      where: agent,
      cause,
      hint: 'run script/bundle',
    })
  }
  if (!pinnedNode.test(process.execPath))
    throw new CliError('file-missing', 'Ashlar came without the Node that it puts into systems', {
      where: process.execPath,
      hint: 'install it again, with a registry in reach: npm install -g ashlar',
    })
  return {
    agent: { file: agent, version: ashlarVersion },
    node: { file: process.execPath, version: process.versions.node },
  }
}
