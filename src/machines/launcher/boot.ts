import { join } from 'node:path'
import type { Digest, SlotName } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import type { RunningProcess, Sys } from '../../sys/index.ts'
import { command, succeeds } from '../command.ts'
import type { Machine, machinePaths } from '../machine-folder.ts'

/** What a boot is told of itself, as the agent's `BootFacts`. */
export interface BootFacts {
  readonly node: string
  readonly slot: SlotName
  readonly release: Digest
  readonly root: Digest
  readonly measuredBy: 'launcher'
  readonly install: number
}

/** systemd-nspawn's exit code when the system inside asked for a reboot (EXIT_FORCE_RESTART). */
export const exitReboot = 133

/** Mounts the root image read-only. The loop device goes away with the mount (autoclear), also when the launcher is killed. */
export async function mountRoot(sys: Sys, image: string, folder: string): Promise<void> {
  await sys.disk.mkdir(folder, { recursive: true })
  await command(sys, 'mount', '-t', 'erofs', '-o', 'loop,ro', image, folder)
}

export async function unmountRoot(sys: Sys, folder: string): Promise<void> {
  if (!(await succeeds(sys, 'umount', folder))) await command(sys, 'umount', '--lazy', folder)
}

/** Starts the system in a mounted root: its own init, nothing writable but /var, /tmp and what the kernel makes anew. */
export async function bootSystem(
  sys: Sys,
  machine: Machine,
  paths: ReturnType<typeof machinePaths>,
  facts: BootFacts,
): Promise<RunningProcess> {
  const enrolment = (await whenThere(sys.disk.stat(paths.enrolment))) !== undefined
  return sys.exec.spawn(
    'systemd-nspawn',
    [
      '--quiet',
      `--directory=${paths.mount}`,
      '--read-only',
      `--bind=${paths.var}:/var`,
      `--bind=${paths.disk}:/run/ashlar/disk`,
      // What runs is not written to, by accident or by an ordinary write of root's. No boundary against a root who
      // remounts: nspawn without user namespaces has none.
      `--bind-ro=${join(paths.disk, facts.slot)}:/run/ashlar/disk/${facts.slot}`,
      '--tmpfs=/tmp',
      '--register=no',
      '--keep-unit',
      `--network-namespace-path=${paths.netns}`,
      `--machine=${machine.name}`,
      `--hostname=${machine.name}`,
      `--uuid=${machine.uuid}`,
      '--resolv-conf=off',
      '--timezone=off',
      '--link-journal=no',
      '--console=pipe',
      `--set-credential=ashlar.boot:${JSON.stringify(facts)}`,
      ...(enrolment ? [`--load-credential=ashlar.enrolment:${paths.enrolment}`] : []),
      '--boot',
      'systemd.show_status=yes',
    ],
    { output: { file: paths.console } },
  )
}
