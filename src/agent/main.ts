import { AshlarError, architectureOf } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { checkHealth, confirmBoot } from './boot-judge.ts'
import { nodeIdentity } from './enrol.ts'
import { FolderSlots } from './folder-slots.ts'
import { backoffMs } from './limits.ts'
import type { Node } from './node.ts'
import { type NodePaths, readBootFacts } from './node-files.ts'
import { jittered } from './reporter.ts'
import { Runner } from './run.ts'
import { openServerLink } from './server-link.ts'
import { NodeMemory } from './state.ts'

/** Set by the bundler. */
declare const ASHLAR_VERSION: string | undefined

const paths: NodePaths = {
  image: '/usr/lib/ashlar',
  localHooks: '/etc/ashlar/health.d',
  state: '/var/lib/ashlar',
  runtime: '/run/ashlar-agent',
  disk: '/run/ashlar/disk',
  credentials: process.env.CREDENTIALS_DIRECTORY ?? '/run/credentials',
}

async function main(subcommand: string | undefined): Promise<void> {
  const node = await openNode()
  switch (subcommand) {
    case 'run':
      return run(node)
    case 'health':
      process.exitCode = (await checkHealth(node)) ? 0 : 1
      return
    case 'confirm':
      return confirmBoot(node)
    default:
      throw new Error('usage: agent.js run | health | confirm')
  }
}

async function openNode(): Promise<Node> {
  return {
    sys: realSys,
    paths,
    facts: await readBootFacts(realSys, paths),
    slots: new FolderSlots(realSys, paths.disk),
    memory: new NodeMemory(realSys, paths),
    architecture: architectureOf(process.arch),
    agentVersion: typeof ASHLAR_VERSION === 'string' ? ASHLAR_VERSION : '0.0.0-source',
    log,
  }
}

async function run(node: Node): Promise<void> {
  await node.memory.removeLeftovers()
  await node.slots.removeLeftovers()
  const identity = await untilEnrolled(node)
  if (identity === undefined) return stay(node)
  await Runner.start(node, identity, openServerLink(realSys, identity))
}

/** A machine without a server: ending would only have systemd start this again. */
async function stay({ sys }: Node): Promise<never> {
  log('this machine belongs to no server; it stays as it is')
  for (;;) await sys.clock.sleep(backoffMs.longest)
}

/** Enrols, and tries again while the server cannot be reached. */
async function untilEnrolled({ sys, memory }: Node) {
  for (let pauseMs: number = backoffMs.first; ; pauseMs = Math.min(pauseMs * 2, backoffMs.longest))
    try {
      return await nodeIdentity(sys, paths, memory)
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error
      log(`${error.code}: ${error.message}; again in a while`)
      await sys.clock.sleep(jittered(sys, pauseMs))
    }
}

/** systemd's journal keeps it, with the time. */
function log(line: string): void {
  process.stdout.write(`${line}\n`)
}

await main(process.argv[2])
