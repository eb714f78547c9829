import type { ExecOptions, ExecResult, Sys } from '../../sys/index.ts'
import { toolFailure } from './tool-failure.ts'

/** Something of the host that a chamber sees, under `/run/ashlar/<name>`. */
export interface Bind {
  readonly source: string
  readonly name: string
  readonly writable?: boolean
}

/** A root and what is mounted into it while a program runs there. */
export interface Chamber {
  /** A tree; or an empty folder, where there is `image` or `writes`. */
  readonly root: string
  /** An EROFS image that is the root. */
  readonly image?: string
  /** Changes of the image go here, or of nothing. `work` is an empty folder beside `upper`, for the kernel. */
  readonly writes?: { readonly upper: string; readonly work: string }
  readonly binds?: readonly Bind[]
  readonly epochSeconds: number
}

/**
 * Mounts, then runs `"$@"` in the chamber. The mount, process, network, ipc and host-name spaces are the program's own:
 * when its first process ends, for whatever reason, nothing of it stays mounted or running.
 */
const enterScript = `
root=$1; image=$2; overlay=$3; shift 3
if [ -n "$image" ]; then mount -t erofs -o ro,loop "$image" "$root"; fi
if [ -n "$overlay" ]; then mount -t overlay -o "$overlay" overlay "$root"; fi
# mount(8) would follow a link out of the root.
for folder in proc dev run tmp; do
  if [ -L "$root/$folder" ]; then echo "/$folder is a link in this image, and must be a folder" >&2; exit 1; fi
done
mount -t proc proc "$root/proc"
echo ashlar > /proc/sys/kernel/hostname
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -m 1777 "$root/run/lock"
while [ "$1" != -- ]; do
  case $1 in
    ro|rw) mkdir -p "$root/run/ashlar"
      if [ -d "$3" ]; then mkdir "$root/run/ashlar/$2"; else : > "$root/run/ashlar/$2"; fi
      mount --bind "$3" "$root/run/ashlar/$2"
      if [ "$1" = ro ]; then mount -o remount,bind,ro "$root/run/ashlar/$2"; fi ;;
  esac
  shift 3
done
shift
umask 022
exec chroot "$root" /usr/bin/env -i "$@"
`

/**
 * Arguments of setpriv(1) with which a program and all that it starts end when the build does, even by kill -9: the
 * build's death kills unshare, and unshare's death kills the first process of the name space that holds them.
 */
export const mortal = [
  '--pdeathsig',
  'KILL',
  '--',
  'unshare',
  '--pid',
  '--fork',
  '--kill-child',
  '--',
] as const

/** Runs a program in a chamber. @throws BuildError `tool-failed` with its last words, `disk-full`, `chroot-bare` */
export async function runInside(
  sys: Sys,
  chamber: Chamber,
  program: readonly string[],
  options: Pick<ExecOptions, 'onOutput'> = {},
): Promise<ExecResult> {
  const variables = { ...fixedEnvironment, SOURCE_DATE_EPOCH: String(chamber.epochSeconds) }
  const args = [
    ...mortal,
    ...['unshare', '--mount', '--net', '--ipc', '--uts', '--', 'sh', '-euc', enterScript, 'ashlar'],
    ...[chamber.root, chamber.image ?? '', overlayOptions(chamber), ...bindArguments(chamber), '--'],
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    ...program,
  ]
  const result = await sys.exec.run('setpriv', args, options)
  if (result.exitCode === 0) return result
  throw await toolFailure(sys, program[0] ?? '', result, chamber.root)
}

/** As {@link runInside}, for a script of the shell that is in the chamber; `args` are its `$1`, `$2` … */
export function runScript(
  sys: Sys,
  chamber: Chamber,
  script: string,
  args: readonly string[] = [],
  options: Pick<ExecOptions, 'onOutput'> = {},
): Promise<ExecResult> {
  return runInside(sys, chamber, ['/bin/sh', '-euc', script, 'sh', ...args], options)
}

/** Nothing of the caller's environment reaches a program of the build. */
const fixedEnvironment = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  DEBIAN_FRONTEND: 'noninteractive',
  DEBCONF_NONINTERACTIVE_SEEN: 'true',
} as const

function bindArguments({ binds = [] }: Chamber): readonly string[] {
  return binds.flatMap(({ source, name, writable }) => [writable ? 'rw' : 'ro', name, source])
}

function overlayOptions({ root, writes }: Chamber): string {
  if (writes === undefined) return ''
  // Documentation/filesystems/overlayfs.rst: a backslash keeps a colon from separating; mount(8) cuts at commas.
  const escaped = (path: string) => path.replace(/[\\:,]/g, '\\$&')
  // What a kernel may have as its default would reach the tree: index refuses a second mount over the same upper folder.
  const own = 'index=off,metacopy=off,redirect_dir=off'
  // volatile: dpkg syncs each file it writes, for machines that lose power; a tree that is not whole is thrown away here.
  return `lowerdir=${escaped(root)},upperdir=${escaped(writes.upper)},workdir=${escaped(writes.work)},${own},volatile`
}
