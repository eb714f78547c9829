import { resolve } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { CliError } from './context.ts'
import { ashlarVersion } from './version.ts'

interface ShippedFile {
  readonly file: string
  readonly version: string
}

/** The agent's bundle and the Node binary that a system carries: the ones that this Ashlar came with. */
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
  return {
    agent: { file: agent, version: ashlarVersion },
    node: { file: process.execPath, version: process.versions.node },
  }
}
