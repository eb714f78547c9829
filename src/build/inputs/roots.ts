import type { Definition, Digest } from '../../core/index.ts'
import { digestOf } from '../../oci/index.ts'

/** What a system needs beside the essential packages to boot; each is named because no other package pulls it in. */
const systemPackages = [
  'systemd',
  // /sbin/init
  'systemd-sysv',
  'udev',
  // systemd-logind and systemctl of unprivileged users speak over it.
  'dbus',
  'kmod',
  // Node links against it.
  'libstdc++6',
]

/** Without it apt may choose usrmerge, which brings perl; both say that /usr is merged, as it is here from the start. */
const mergedUsr = 'usr-is-merged'

/**
 * Packages that most of a definition's changes leave alone: they and all that they depend on are installed first, and
 * what came of it is kept for the next build.
 */
export function isBasePackage(name: string): boolean {
  return name === mergedUsr || systemPackages.includes(name) || name.startsWith('linux-image-')
}

/** Programs that turn a root tree into its disk form; each stands for what it is asked for. */
const toolPackages = [
  // Opens the hash tree, in the initrd.
  'cryptsetup-bin',
  'dmsetup',
  // The initrd, and what it is made of.
  'dracut',
  'systemd',
  'systemd-sysv',
  'udev',
  'kmod',
  'zstd',
  // objcopy and the stub that it puts kernel and initrd into
  'binutils',
  'systemd-boot-efi',
]

/** From Debian 13 on, what opens a hash tree in the initrd is a package of its own. */
const verityPackages: Readonly<Record<Definition['spec']['base']['debian'], readonly string[]>> = {
  bookworm: [],
  trixie: ['systemd-cryptsetup'],
}

/** The packages that are asked for by name; the solver adds what these depend on. */
export function imageRoots(spec: Definition['spec'], essential: readonly string[]): readonly string[] {
  if (spec.from !== undefined) return []
  const system = spec.form === 'system' ? [...systemPackages, spec.kernel.package] : []
  return [...new Set([...essential, mergedUsr, ...system, ...spec.packages])]
}

/** As {@link imageRoots}, for the tree that the tools run in; a container needs no tool that is not in its own image, unless a Containerfile made that. */
export function toolRoots(spec: Definition['spec'], essential: readonly string[]): readonly string[] {
  if (spec.form === 'container') return spec.from === undefined ? [] : [...essential, mergedUsr]
  return [...essential, mergedUsr, ...toolPackages, ...verityPackages[spec.base.debian]]
}

/**
 * What a definition asks of the archive, and its Containerfile of registries. While it stays the same, so does the lock:
 * a new version, file or mirror asks for nothing else.
 */
export function requestOf(spec: Definition['spec'], bases?: readonly string[]): Digest {
  const asked = [imageRoots(spec, []).toSorted(), toolRoots(spec, []).toSorted()]
  return digestOf(
    JSON.stringify([spec.base.debian, spec.arch, spec.form, asked, ...(bases === undefined ? [] : [bases])]),
  )
}
