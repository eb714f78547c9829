/**
 * Packages that change a machine while it runs, boot it, or were only needed to install it. A release is never changed,
 * is booted by a file of its own, and needs no installer. Each pattern has the reason that people are told.
 */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^linux-(?:image|headers|kbuild|compiler|base)\b/, 'the kernel is spec.kernel'],
  [
    /^(?:grub|shim|lilo|syslinux|extlinux|systemd-boot|efibootmgr|mokutil|os-prober)\b/,
    'the release has a boot file of its own',
  ],
  [
    /^(?:initramfs-tools|dracut|klibc-utils|live-boot|live-config|cryptsetup-initramfs)\b/,
    'the build makes the initrd',
  ],
  [
    /^(?:apt|apt-utils|apt-listchanges|apt-transport-https|aptitude|unattended-upgrades|needrestart|debsecan|packagekit|synaptic|software-properties-common|python3-software-properties|debian-goodies|apt-file|etckeeper)$/,
    'a release is replaced, never upgraded in place',
  ],
  [
    /^(?:tasksel|tasksel-data|task-.*|installation-report|discover|discover-data|laptop-detect|debian-installer.*|debootstrap-udeb|cloud-init|cloud-initramfs-.*|cloud-utils|cloud-guest-utils|growpart|eatmydata)$/,
    'it was there to install or to set up the machine',
  ],
  [
    /^(?:popularity-contest|reportbug|python3-reportbug|doc-debian|debian-faq|how-can-i-help)$/,
    'it is for people at a Debian desktop',
  ],
  [/^(?:usrmerge|usr-is-merged)$/, 'an image has a merged /usr from the start'],
  [/^(?:sysvinit-core|runit-init|openrc|systemd-shim|elogind)$/, 'a system is run by systemd'],
]

/** Why an image does without this package; undefined where it does not. */
export function whySuperfluous(name: string): string | undefined {
  return reasons.find(([pattern]) => pattern.test(name))?.[1]
}
