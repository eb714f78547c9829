/** A Debian package that Ashlar needs at run time. */
export interface DebianPackage {
  readonly name: string
  /** A program, or a file where it brings none. */
  readonly brings: string
  /** The commands that need it. */
  readonly commands: readonly string[]
  readonly why: string
}

// One line a package: name, what it brings, the commands that need it, why. script/setup reads these lines too.
const table = `
apt                    apt-get         lock           solves the dependencies of an image
gpgv                   gpgv            lock           checks the signatures of archive indexes
debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg lock holds the keys that these signatures are checked against
dpkg                   dpkg-deb        lock,build     unpacks packages
util-linux             unshare         lock,build,machine gives every build and every machine namespaces of its own
systemd-container      systemd-nspawn  machine        runs nodes on this host
iproute2               ip              machine        makes bridge and addresses of these nodes
openssh-client         ssh             adopt          reaches a system that is adopted
git                    git             build          names the commit that a release was built from
`

export const debianPackages: readonly DebianPackage[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [name = '', brings = '', commands = '', ...why] = line.split(/ +/)
    return { name, brings, commands: commands.split(','), why: why.join(' ') }
  })
