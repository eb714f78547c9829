import { join } from 'node:path'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { type Chamber, runScript } from '../workshop/index.ts'

/** Files that differ from build to build, belong to one machine, or are a log or a cache of the build itself. */
const removed = [
  // Of one machine. dbus makes its own name for the machine's id.
  '/etc/hostname',
  '/etc/ssh/ssh_host_*',
  '/etc/ssl/certs/ssl-cert-snakeoil.pem',
  '/etc/ssl/private/*',
  '/var/lib/dbus/machine-id',
  '/var/lib/systemd/random-seed',
  '/var/lib/systemd/credential.secret',
  '/var/lib/urandom/*',
  // What programs that change a list leave beside it.
  '/etc/.pwd.lock',
  '/etc/group-',
  '/etc/gshadow-',
  '/etc/passwd-',
  '/etc/shadow-',
  '/etc/subgid-',
  '/etc/subuid-',
  '/var/backups/*',
  '/var/lib/apt/extended_states',
  '/var/lib/apt/lists/*',
  '/var/lib/apt/periodic/*',
  '/var/lib/dpkg/*-old',
  '/var/lib/dpkg/available',
  '/var/lib/dpkg/lock',
  '/var/lib/dpkg/lock-frontend',
  '/var/lib/dpkg/triggers/Lock',
  '/var/lib/dpkg/triggers/Unincorp',
  '/var/lib/dpkg/updates/*',
  '/var/lib/ucf/cache/*',
  '/var/lib/ucf/*.[0-9]*',
  '/var/tmp/*',
  '/root/.bash_history',
  '/root/.wget-hsts',
  // Links to a kernel that is not there: it is in the boot file.
  '/initrd.img',
  '/initrd.img.old',
  '/vmlinuz',
  '/vmlinuz.old',
]

/** What something is mounted over, in a chamber and on a node. */
const mountPoints = ['dev', 'proc', 'run', 'sys', 'tmp']

const script = `
for pattern in $1; do rm -rf $pattern; done
find /var/cache /var/log ! -type d -delete
# The kernel lies where systemd and bootc look for it; /boot and /efi are mount points.
for kernel in /boot/vmlinuz-*; do
  [ -e "$kernel" ] || continue
  version=\${kernel#/boot/vmlinuz-}
  mv "$kernel" "/usr/lib/modules/$version/vmlinuz"
  for name in config System.map; do
    [ ! -e "/boot/$name-$version" ] || mv "/boot/$name-$version" "/usr/lib/modules/$version/$name"
  done
done
rm -rf /boot/* /efi
mkdir /efi
# machine-id(5): where /etc is read-only and this file empty, systemd mounts one over it, and no boot is the first.
[ ! -e /etc/machine-id ] || : > /etc/machine-id
chmod 0444 /etc/machine-id 2> /dev/null || true
`

/**
 * Takes out of a freshly installed tree all that would differ in another build, or does not belong into an image.
 * The tree then has only what its packages made of it. @throws BuildError `archive-hostile`
 */
export async function cleanTree(sys: Sys, chamber: Chamber): Promise<void> {
  for (const name of mountPoints)
    if (!(await sys.disk.lstat(join(chamber.root, name))).isDirectory()) throw hostile(name)
  await runScript(sys, chamber, script, [removed.join(' ')])
  for (const name of mountPoints) {
    const folder = join(chamber.root, name)
    for (const inside of await sys.disk.readdir(folder))
      await sys.disk.rm(join(folder, inside), { recursive: true })
  }
}

/** It would be emptied, and a link may lead out of the tree. */
function hostile(name: string): BuildError {
  return new BuildError(
    'archive-hostile',
    `a package has put something in the place of the folder /${name}`,
    {
      where: `/${name}`,
      hint: 'take it out of spec.packages in ashlar.yaml, and run ashlar lock',
    },
  )
}
