/** A Debian package that Ashlar needs at run time. */
export interface DebianPackage {
  readonly name: string
  /** A program, or a file where it brings none. */
  readonly brings: string
  /** The commands that need it. */
  readonly commands: readonly string[]
  readonly why: string
  /** Needed only where a definition is made from a Containerfile. */
  readonly forContainerfile: boolean
}

// One line a package: name, what it brings, the commands that need it (`+` where only a Containerfile does), why. script/setup reads these lines too.
const table = `
apt                    apt-get         lock           solves the dependencies of an image
gpgv                   gpgv            lock           checks the signatures of archive indexes
debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg lock holds the keys that these signatures are checked against
dpkg                   dpkg-deb        lock,build     unpacks packages
util-linux             unshare         lock,build,machine gives every build and every machine namespaces of its own
systemd-container      systemd-nspawn  machine        runs nodes on this host
iproute2               ip              machine        makes bridge and addresses of these nodes
openssh-client         ssh             adopt          reaches a system that is adopted
skopeo                 skopeo          lock+          fetches the base images of a Containerfile
buildah                buildah         build+         builds what a Containerfile says
git                    git             build          names the commit that a release was built from
`

export const debianPackages: readonly DebianPackage[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [name = '', brings = '', commands = '', ...why] = line.split(/ +/)
    return {
      ...{ name, brings, why: why.join(' ') },
      commands: commands.replace('+', '').split(','),
      forContainerfile: commands.endsWith('+'),
    }
  })
