import type { Finding } from '../core/index.ts'
import type { Facts } from './facts.ts'

/** State of programs that every image makes anew, or that only an upgrade needs. */
const stateOfSystem =
  /^\/var\/(?:backups|lib\/(?:apt|aspell|dbus|dictionaries-common|dpkg|emacsen-common|fontconfig|ghostscript|grub|initramfs-tools|ispell|logrotate|man-db|misc|os-prober|pam|polkit-1|private|python|sgml-base|shim-signed|sudo|systemd|tpm2-.*|ucf|update-.*|usb.*|vim|xml-core|xfonts|shells\.state)|spool\/cron)(?:\/|$)/
const stateOfContainers =
  /^\/var\/lib\/(?:docker|containerd|containers|lxc|lxd|incus|machines|kubelet|rancher|podman)$/
const usualTop = new Set([
  ...['bin', 'boot', 'dev', 'efi', 'etc', 'home', 'lib', 'lib32', 'lib64', 'libx32', 'lost+found', 'media'],
  ...['mnt', 'opt', 'proc', 'root', 'run', 'sbin', 'snap', 'srv', 'sys', 'tmp', 'usr', 'var', 'swapfile'],
  ...['initrd.img', 'initrd.img.old', 'vmlinuz', 'vmlinuz.old', 'swap.img'],
  ...['bin.usr-is-merged', 'lib.usr-is-merged', 'sbin.usr-is-merged'],
])
const usualMounts = new Set(['/', '/boot', '/boot/efi', '/efi', '/proc', 'none'])

const passwords: Finding = {
  code: 'password',
  message: 'no password is carried over: no user of the image has one',
  where: 'spec.users',
  hint: 'give people keys, or set passwords at run time',
}
const hostKeys: Finding = {
  code: 'ssh-host-keys',
  message: 'sshd starts only with host keys, and none is in an image',
  where: '/etc/ssh',
  hint: 'name some in /var with HostKey in rootfs/etc/ssh/sshd_config.d, and make them there at the first start',
}

/** What is neither package, account, unit nor configuration, and what a person has to do about it. */
export function remainsFindings(facts: Facts): readonly Finding[] {
  const hasHostKeys = [...facts.entries.keys()].some((path) => /^\/etc\/ssh\/ssh_host_.*_key$/.test(path))
  return [
    passwords,
    ...(hasHostKeys ? [hostKeys] : []),
    ...facts.states.filter(({ path }) => !stateOfSystem.test(path)).map(stateFinding),
    ...facts.mounts.filter(({ at, type }) => type !== 'swap' && !usualMounts.has(at)).map(mountFinding),
    ...facts.crontabs.map((where) => ({
      code: 'crontab',
      message: 'the crontab of a user is state in /var',
      where,
      hint: 'make it a file in rootfs/etc/cron.d, or a systemd timer',
    })),
    ...facts.foreign.map(({ by, name }) => ({
      code: 'foreign-package',
      message: `${name} was installed by ${by}`,
      hint: 'build it into a folder that spec.files lays over the image',
    })),
    ...facts.top
      .filter((name) => !usualTop.has(name))
      .map((name) => ({
        code: 'folder-unknown',
        message: 'it lies beside Debian’s own folders and was not looked into',
        where: `/${name}`,
        hint: 'lay what is configuration below rootfs/, keep what is data in /var',
      })),
    ...facts.closed.map((where) => ({
      code: 'unread',
      message: 'this user may not read it, so that nothing is known of it',
      where,
      hint: 'run it with sudo, or as a user who may use sudo without a password',
    })),
    ...facts.oddNames.map((where) => ({
      code: 'file-odd-name',
      message: 'its name has control characters',
      where,
    })),
  ]
}

function stateFinding({ path: where, kilobytes }: Facts['states'][number]): Finding {
  const size = kilobytes < 1_000 ? `${kilobytes} kB` : `${(kilobytes / 1_000).toFixed(0)} MB`
  if (/^\/(?:root|home)/.test(where))
    return {
      code: 'home',
      message: `${size} in a home; / is read-only on a node`,
      where,
      hint: 'a home that is written to lies in /var, as /var/home/NAME',
    }
  if (stateOfContainers.test(where))
    return {
      code: 'containers',
      message: `${size} of containers and their images`,
      where,
      hint: 'run them from units in the definition, their images from a registry',
    }
  return {
    code: 'state',
    message: `${size} of data; a release holds none`,
    where,
    hint: 'move it to the node’s own /var when the node takes over',
  }
}

function mountFinding({ at, type }: Facts['mounts'][number]): Finding {
  return {
    code: 'mount',
    message: `a mount of type ${type} from fstab`,
    where: at,
    hint: 'write a mount unit below rootfs/etc/systemd/system',
  }
}
