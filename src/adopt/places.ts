/** Paths whose content a machine or its packages make by themselves: an image makes its own, or has none. */
const generated: readonly RegExp[] = [
  /^\/etc\/(?:passwd|group|subuid|subgid|shells|mtab|adjtime|ld\.so\.cache|\.pwd\.lock|\.updated|\.resolv\.conf\.systemd-resolved\.bak|resolv\.conf|debian_version|os-release|issue(?:\.net)?|motd\.dynamic|mailcap|papersize)$/,
  /^\/etc\/(?:passwd|group|subuid|subgid)-$/,
  /^\/etc\/rc[0-9S]\.d\//,
  /^\/etc\/(?:runit|sv|rsyslog\.d\/\.keep)\//,
  /^\/etc\/ssl\/certs\//,
  /^\/etc\/dpkg\/origins\/default$/,
  /^\/etc\/(?:console-setup\/cached|X11\/default-display-manager|java-\d+-openjdk\/security\/java\.security)/,
  /^\/etc\/(?:\.git|\.etckeeper|\.gitignore)/,
  /^\/etc\/.*\.(?:dpkg-(?:old|dist|new|bak|tmp)|ucf-(?:old|dist|new)|bak|orig|swp)$|~$/,
  /^\/usr\/local\/(?:man|share\/(?:man|fonts\/\.uuid|mime))/,
  /^\/usr\/local\/lib\/python3[^/]*\/dist-packages\/|^\/usr\/local\/lib\/node_modules\/|\/__pycache__\/|\.pyc$/,
  /^\/etc\/systemd\/(?:system|user)\/[^/]+\.(?:wants|requires|upholds)\//,
  // Catalogues and lists that packages' triggers keep.
  /^\/etc\/(?:xml|sgml|\.java|fonts\/conf\.d|apparmor\.d\/(?:local|cache)|python3)\/|^\/etc\/ca-certificates\.conf$/,
]

/** What stays behind by its place: of one machine, or of a way of working that an image does not have. */
const stays: readonly (readonly [RegExp, string, string])[] = [
  [
    /^\/etc\/(?:hostname|hosts|machine-id|mailname|ssh\/ssh_host_.*|iscsi\/initiatorname\.iscsi|nvme\/host(?:nqn|id)|lvm\/(?:archive|backup)\/.*|mdadm\/mdadm\.conf)$/,
    'machine-identity',
    'it belongs to that one machine',
  ],
  [
    /^\/etc\/(?:network|netplan|NetworkManager|wpa_supplicant|systemd\/network|dhcp|dhcpcd\.conf|resolvconf|networks|ppp|iproute2)(?:\/|$)/,
    'network',
    'addresses and links belong to one machine or one place',
  ],
  [
    /^\/etc\/(?:fstab|crypttab|default\/grub|grub\.d|initramfs-tools|dracut\.conf|kernel|kernel-img\.conf|mkinitramfs|lilo\.conf|mdadm)(?:\/|\.d\/|$)/,
    'boot-configuration',
    'disks and boot are the release’s',
  ],
  [
    /^\/etc\/(?:apt|dpkg|cloud|needrestart|unattended-upgrades|default\/(?:apt|unattended))(?:\/|$)/,
    'upgrade-configuration',
    'a release is replaced, never upgraded or set up in place',
  ],
]

export function isGenerated(path: string): boolean {
  return generated.some((pattern) => pattern.test(path))
}

/** Why a path is not carried over whatever it holds; undefined where its place does not decide. */
export function whyStays(path: string): { readonly code: string; readonly message: string } | undefined {
  const found = stays.find(([pattern]) => pattern.test(path))
  return found === undefined ? undefined : { code: found[1], message: found[2] }
}

/** Links that a package's script makes at its first installation, and that people take away to turn a default off. */
export const defaultLinks: readonly { readonly package: string; readonly path: string }[] = [
  { package: 'nginx-common', path: '/etc/nginx/sites-enabled/default' },
  { package: 'apache2', path: '/etc/apache2/sites-enabled/000-default.conf' },
  { package: 'lighttpd', path: '/etc/lighttpd/conf-enabled/99-unconfigured.conf' },
]

const sharedFolders = /^\/usr\/local\/(?:bin|sbin|etc|games|include|lib|libexec|share|src)(?:\/|$)/

/** The folder that somebody put a whole into: `/opt/NAME`, `/usr/local/NAME`, `/usr/local/lib/NAME`; undefined in /etc. */
export function treeOf(path: string): string | undefined {
  const depth = path.startsWith('/usr/local/')
    ? sharedFolders.test(path)
      ? 5
      : 4
    : /^\/(?:opt|srv)\//.test(path)
      ? 3
      : undefined
  const tree = depth === undefined ? path : path.split('/').slice(0, depth).join('/')
  return tree === path ? undefined : tree
}

/** Files that mean nothing before a program has read them, which no build runs. */
export const unapplied: readonly (readonly [RegExp, string])[] = [
  [
    /^\/usr\/local\/share\/ca-certificates\//,
    'update-ca-certificates does not run in a build: programs do not trust it',
  ],
  [/^\/etc\/locale\.gen$/, 'locale-gen does not run in a build: the image has C.UTF-8 alone'],
  [
    /^\/etc\/ld\.so\.conf|^\/usr\/local\/lib\/[^/]*\.so/,
    'ldconfig does not run in a build: name the folder in LD_LIBRARY_PATH of the unit',
  ],
  [
    /^\/etc\/(?:aliases|postfix\/.*)$/,
    'tables of a mail server are made by newaliases or postmap, which do not run in a build',
  ],
  [/^\/etc\/udev\/hwdb\.d\//, 'systemd-hwdb does not run in a build'],
  [/^\/etc\/dconf\/db\//, 'dconf update does not run in a build'],
]
