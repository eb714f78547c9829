import { join } from 'node:path'
import type { Sys } from '../../sys/index.ts'
import { mortal, toolFailure } from '../workshop/index.ts'

/**
 * Extracts packages side by side, without running anything of theirs, and cannot write outside `$root`: a package may
 * ship a link `usr/share/x -> /etc`, and another one a file in `usr/share/x`. Where tar's root is the host's, that file
 * lands in the host's /etc; here it lands where dpkg on a machine would put it. So tar runs with the tree as its root.
 * The tree may have no tar yet: the host's, with its libraries and its loader, lies in a folder that only this mount
 * namespace sees. dpkg-deb decompresses outside; it writes to nothing but the pipe.
 *
 * The folders that /usr was merged with are links from the start, as debootstrap makes them.
 */
const extractScript = `
root=$1; shift
umask 022
for folder in bin sbin lib lib64; do
  if [ ! -e "$root/$folder" ]; then mkdir -p "$root/usr/$folder"; ln -s "usr/$folder" "$root/$folder"; fi
done
mkdir -p "$root/proc" "$root/dev" "$root/run" "$root/tmp" "$root/sys"
tar=$(command -v tar)
libraries=$(ldd "$tar" | grep -o '/[^ ]*')
loader=$(ldd "$tar" | sed -n 's|^[[:space:]]*\\(/[^ ]*\\) .*|\\1|p')
host=$(mktemp -d "$root/.ashlar-XXXXXX")
mount -t tmpfs -o mode=700 tmpfs "$host"
cp -L "$tar" $libraries "$host"
mount -o remount,ro "$host"
printf '%s\\0' "$@" | root=$root host=/\${host##*/} loader=\${loader##*/} xargs -0 -n 1 -P 2 bash -euo pipefail -c '
  dpkg-deb --fsys-tarfile "$1" |
    chroot "$root" "$host/$loader" --library-path "$host" "$host/tar" -C / -x -p --numeric-owner \\
      --keep-directory-symlink --xattrs --xattrs-include="security.*" -f -' bash
umount "$host"
rmdir "$host"
`

/** The packages must have been judged: see {@link readDebianPackage}. @throws BuildError `tool-failed` */
export async function extractInside(
  sys: Sys,
  root: string,
  folder: string,
  names: readonly string[],
): Promise<void> {
  const files = names.map((name) => join(folder, `${name}.deb`))
  const result = await sys.exec.run('setpriv', [
    ...mortal,
    ...[
      'unshare',
      '--mount',
      '--net',
      '--ipc',
      '--',
      'bash',
      '-euo',
      'pipefail',
      '-c',
      extractScript,
      'bash',
    ],
    ...[root, ...files],
  ])
  if (result.exitCode !== 0) throw await toolFailure(sys, 'the extraction of packages', result, root)
}
