import { createHash } from 'node:crypto'
import type { Sys } from '../sys/index.ts'
import { command, succeeds } from './command.ts'
import { MachineError } from './errors.ts'
import { hostNumbers, interfaceNameMax } from './limits.ts'
import type { Machine } from './machine-folder.ts'

/** One bridge of this host and the /24 behind it. No machine is routed beyond it. */
export interface MachineNetwork {
  readonly bridge: string
  /** First three numbers of the /24: `10.97.0`. The host is .1; a server may listen there. */
  readonly prefix: string
}

export const defaultNetwork: MachineNetwork = { bridge: 'ashlar0', prefix: '10.97.0' }

/** The host's own address on the bridge. */
export function gatewayOf(network: MachineNetwork): string {
  return `${network.prefix}.1`
}

/** Makes the bridge and gives the host its address there. Does nothing where both are there. */
export async function ensureBridge(
  sys: Sys,
  { bridge, gateway }: Pick<Machine, 'bridge' | 'gateway'>,
): Promise<void> {
  if (!(await succeeds(sys, 'ip', 'link', 'show', bridge)))
    if (!(await succeeds(sys, 'ip', 'link', 'add', bridge, 'type', 'bridge')))
      // Two launchers may come here at once: whoever is second finds the bridge made.
      await command(sys, 'ip', 'link', 'show', bridge)
  await command(sys, 'ip', 'addr', 'replace', `${gateway}/24`, 'dev', bridge)
  await command(sys, 'ip', 'link', 'set', bridge, 'up')
}

/** Takes away the host's end of a stopped machine's link, and the bridge when no other machine hangs on it. */
export async function disconnectMachine(sys: Sys, machine: Machine): Promise<void> {
  await removeLink(sys, machine)
  await removeIdleBridge(sys, machine.bridge)
}

export async function removeIdleBridge(sys: Sys, bridge: string): Promise<void> {
  if (!(await succeeds(sys, 'ip', 'link', 'show', bridge))) return
  const ports = await command(sys, 'ip', '-oneline', 'link', 'show', 'master', bridge)
  if (ports.trim() === '') await command(sys, 'ip', 'link', 'delete', bridge)
}

/** The lowest address that none of the machines has. @throws MachineError `network-full` */
export function freeAddress(network: MachineNetwork, taken: readonly string[]): string {
  for (let host = hostNumbers.first; host <= hostNumbers.last; host++) {
    const address = `${network.prefix}.${host}`
    if (!taken.includes(address)) return address
  }
  throw new MachineError('network-full', `every address of ${network.prefix}.0/24 is taken`, {
    hint: 'remove machines with ashlar machine rm, or use another network',
  })
}

/**
 * Makes the machine's network namespace at `netns` and joins it to the bridge. Meant for the launcher's private mount
 * namespace: the name is a mount in there, so that the kernel takes namespace and link away when the launcher ends, however it ends.
 */
export async function connectMachine(sys: Sys, machine: Machine, netns: string): Promise<void> {
  await ensureBridge(sys, machine)
  await sys.disk.writeFile(netns, '')
  await command(sys, 'unshare', `--net=${netns}`, 'true')
  const outside = linkName(machine)
  await removeLink(sys, machine)
  await command(sys, 'ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', 'host0', 'netns', netns)
  await command(sys, 'ip', 'link', 'set', outside, 'master', machine.bridge, 'up')
  const inside = (...args: readonly string[]) => command(sys, 'nsenter', `--net=${netns}`, 'ip', ...args)
  await inside('link', 'set', 'lo', 'up')
  await inside('addr', 'replace', `${machine.address}/24`, 'dev', 'host0')
  await inside('link', 'set', 'host0', 'up')
  await inside('route', 'replace', 'default', 'via', machine.gateway)
}

/** The kernel does it too, with the launcher's namespace, but some time after the launcher is gone. */
async function removeLink(sys: Sys, machine: Machine): Promise<void> {
  await sys.exec.run('ip', ['link', 'delete', linkName(machine)])
}

/** The host's end of the machine's link: short, and its own for each machine. */
function linkName({ bridge, address }: Machine): string {
  const hash = createHash('sha256').update(`${bridge} ${address}`).digest('hex')
  return `ash-${hash}`.slice(0, interfaceNameMax)
}
