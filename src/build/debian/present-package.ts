const name = 'ashlar-boot'
const provides = ['linux-initramfs-tool']

/**
 * A package that counts as installed while others are solved and configured, and is in no image. Debian's kernels want a
 * program that makes an initrd on the machine they run on; here the initrd is made with the release.
 */
export const presentPackage = {
  name,
  provides,
  /** Its paragraph in dpkg's `status`. */
  status: `Package: ${name}
Status: install ok installed
Maintainer: Ashlar
Architecture: all
Version: 1
Provides: ${provides.join(', ')}
Description: the boot file is made with the release

`,
} as const
