import type { Finding } from '../core/index.ts'
import type { Facts } from './facts.ts'

export interface RemainsPlan {
  readonly kernelArguments: readonly string[]
  readonly findings: readonly Finding[]
}

/** State of programs that every image makes anew, or that only an upgrade needs. */
const stateOfSystem =
  /^\/var\/(?:backups|lib\/(?:apt|aspell|dbus|dictionaries-common|dpkg|emacsen-common|fontconfig|ghostscript|grub|initramfs-tools|ispell|logrotate|man-db|misc|os-prober|pam|polkit-1|private|python|sgml-base|shim-signed|sudo|systemd|tpm2-.*|ucf|update-.*|usb.*|vim|xml-core|xfonts|shells\.state)|spool\/cron)(?:\/|$)/
const stateOfContainers =
  /^\/var\/lib\/(?:docker|containerd|containers|lxc|lxd|incus|machines|kubelet|rancher|podman)$/
const usualTop = new Set([
  ...[
    'bin',
    'boot',
    'dev',
    'efi',
    'etc',
    'home',
    'lib',
    'lib32',
    'lib64',
    'libx32',
    'lost+found',
    'media',
    'mnt',
  ],
  ...[
    'opt',
    'proc',
    'root',
    'run',
    'sbin',
    'snap',
    'srv',
    'sys',
    'tmp',
    'usr',
    'var',
    'initrd.img',
    'initrd.img.old',
  ],
  ...[
    'vmlinuz',
    'vmlinuz.old',
    'swapfile',
    'swap.img',
    'bin.usr-is-merged',
    'lib.usr-is-merged',
    'sbin.usr-is-merged',
  ],
])
/** What triggers and caches leave below `/usr`. */
const strayGenerated =
  /^\/usr\/(?:share\/(?:man|info|icons|mime|applications|glib-2\.0\/schemas|fonts|doc|locale|vim|emacs|mysql-common|perl5?)\/|lib\/(?:modules|locale|udev\/hwdb\.bin|x86_64-linux-gnu\/(?:gconv|gio|gdk-pixbuf)|aarch64-linux-gnu\/(?:gconv|gio|gdk-pixbuf)|ssl|python3|jvm|node_modules)|s?bin\/\.)|\.(?:pyc|cache)$|\/(?:update-mime|\.uuid)$/
const strayMax = 200
/** Arguments that mean the same on another machine; any other may name a disk, an address or a secret. */
const plainArgument =
  /^(?:console|net\.ifnames|biosdevname|mitigations|isolcpus|nohz_full|rcu_nocbs|irqaffinity|hugepages|hugepagesz|default_hugepagesz|transparent_hugepage|intel_iommu|amd_iommu|iommu|apparmor|security|lsm|audit|audit_backlog_limit|ipv6\.disable|intel_idle\.max_cstate|processor\.max_cstate|intel_pstate|amd_pstate|clocksource|tsc|preempt|threadirqs|loglevel|cgroup_enable|swapaccount|systemd\.unified_cgroup_hierarchy|vm\.[a-z_]+|numa|numa_balancing|nmi_watchdog|nowatchdog|pcie_aspm|nosmt|vsyscall|init_on_alloc|slab_nomerge|page_poison|elevator)(?:=[A-Za-z0-9.,:_-]+)?$/
const bootArgument =
  /^(?:BOOT_IMAGE|root|rootfstype|rootflags|rootdelay|ro|rw|quiet|splash|initrd|init|resume|noresume|rhgb|vt\.handoff|systemd\.show_status|panic)(?:=.*)?$/

/** All that is neither package, account, unit nor configuration, and what becomes of it. */
export function planRemains(facts: Facts): RemainsPlan {
  const kept = facts.kernelArguments.filter((argument) => plainArgument.test(argument))
  const findings = [
    ...facts.states.filter(({ path }) => !stateOfSystem.test(path)).map(stateFinding),
    ...facts.crontabs.map((path) =>
      finding(
        'crontab',
        'the crontab of a user is state in /var',
        path,
        'make it a file in rootfs/etc/cron.d, or a systemd timer',
      ),
    ),
    ...mountFindings(facts),
    ...argumentFindings(facts, kept),
    ...facts.foreign.map(({ by, name }) =>
      finding(
        'foreign-package',
        `${name} was installed by ${by}`,
        undefined,
        'build it into a folder that spec.files lays over the image',
      ),
    ),
    ...diversionFindings(facts),
    ...strayFindings(facts),
    ...facts.top
      .filter((name) => !usualTop.has(name))
      .map((name) =>
        finding(
          'folder-unknown',
          'it lies beside Debian’s own folders and was not looked into',
          `/${name}`,
          'lay what is configuration below rootfs/, keep what is data in /var',
        ),
      ),
    ...facts.lost
      .slice(0, strayMax)
      .map((row) =>
        finding('file-removed', `${row.package} ships it, and it is gone there; the image has it`, row.path),
      ),
    ...facts.closed.map((path) =>
      finding(
        'unread',
        'this user may not read it, so that nothing is known of it',
        path,
        'run it with sudo, or as a user who may use sudo without a password',
      ),
    ),
    ...facts.oddNames.map((path) => finding('file-odd-name', 'its name has control characters', path)),
    ...([...facts.entries.keys()].some((path) => /^\/etc\/ssh\/ssh_host_.*_key$/.test(path))
      ? [
          finding(
            'ssh-host-keys',
            'sshd starts only with host keys, and none is in an image',
            '/etc/ssh',
            'name some in /var with HostKey in rootfs/etc/ssh/sshd_config.d, and make them there at the first start',
          ),
        ]
      : []),
    finding(
      'password',
      'no password is carried over: no user of the image has one',
      'spec.users',
      'give people keys, or set passwords at run time',
    ),
  ]
  return { kernelArguments: [...new Set(kept)], findings }
}

function finding(code: string, message: string, where?: string, hint?: string): Finding {
  return { code, message, ...(where !== undefined && { where }), ...(hint !== undefined && { hint }) }
}

function stateFinding({ path, kilobytes }: Facts['states'][number]): Finding {
  const size = kilobytes < 1_000 ? `${kilobytes} kB` : `${(kilobytes / 1_000).toFixed(0)} MB`
  if (/^\/(?:root|home)/.test(path))
    return finding(
      'home',
      `${size} in a home; / is read-only on a node`,
      path,
      'a home that is written to lies in /var, as /var/home/NAME',
    )
  if (stateOfContainers.test(path))
    return finding(
      'containers',
      `${size} of containers and their images`,
      path,
      'run them from units in the definition, their images from a registry',
    )
  return finding(
    'state',
    `${size} of data; a release holds none`,
    path,
    'move it to the node’s own /var when the node takes over',
  )
}

function mountFindings({ mounts }: Facts): readonly Finding[] {
  return mounts
    .filter(({ at, type }) => type !== 'swap' && !['/', '/boot', '/boot/efi', '/proc', 'none'].includes(at))
    .map(({ at, type }) =>
      finding(
        'mount',
        `a mount of type ${type} from fstab`,
        at,
        'write a mount unit below rootfs/etc/systemd/system',
      ),
    )
}

function argumentFindings({ kernelArguments }: Facts, kept: readonly string[]): readonly Finding[] {
  // Only names: a value may be a secret.
  const left = kernelArguments
    .filter((one) => !kept.includes(one) && !bootArgument.test(one))
    .map((one) => one.split('=')[0])
  return left.length === 0
    ? []
    : [
        finding(
          'kernel-argument',
          `these may mean only that machine: ${[...new Set(left)].join(', ')}`,
          'spec.kernel.arguments',
          'add those that every node needs',
        ),
      ]
}

function diversionFindings(facts: Facts): readonly Finding[] {
  return facts.diversions
    .filter(({ by }) => by === ':')
    .map(({ from, to }) =>
      finding('diversion', `diverted by hand to ${to}`, from, 'lay your own file over it with spec.files'),
    )
}

function strayFindings({ stray }: Facts): readonly Finding[] {
  const unknown = stray.filter((path) => !strayGenerated.test(path))
  const shown = unknown
    .slice(0, strayMax)
    .map((path) =>
      finding(
        'file-stray',
        'no package owns it, and it lies where only packages put files',
        path,
        'put it below rootfs/usr/local when it is yours',
      ),
    )
  return unknown.length <= strayMax
    ? shown
    : [
        ...shown,
        finding('file-stray', `and ${unknown.length - strayMax} more below /usr that no package owns`),
      ]
}
