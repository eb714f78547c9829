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
  /^\/etc\/systemd\/system\/[^/]+\.(?:wants|requires|upholds)\//,
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
    /^\/etc\/(?:apt|cloud|needrestart|unattended-upgrades|default\/(?:apt|unattended))(?:\/|$)/,
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
