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
  const agent = resolve(import.meta.dirname, '../../dist/agent.js')
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
