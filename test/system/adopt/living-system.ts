import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Words that must be in nothing that is written or printed. */
export interface Secrets {
  readonly [what: string]: string
}

/** A Debian that was lived in: a real root, with what people do to a server in the years. */
export function makeLivingSystem(folder: string): { readonly root: string; readonly secrets: Secrets } {
  const root = join(folder, 'root')
  const packages = 'systemd,systemd-sysv,dbus,nginx-light,openssh-server,sudo,cron,iproute2,tree,gawk'
  const options = ['--quiet', '--variant=minbase', '--skip=cleanup/apt/lists', `--include=${packages}`]
  execFileSync('mmdebstrap', [...options, 'bookworm', root], { env: { ...process.env, TMPDIR: folder } })
  writeFileSync(join(root, 'etc/hostname'), 'web-1\n')
  const secrets = {
    tlsKey:
      execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519'], { encoding: 'utf8' }).split('\n')[1] ??
      '',
    openKey:
      execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519'], { encoding: 'utf8' }).split('\n')[1] ??
      '',
    password: `Pw${randomBytes(9).toString('hex')}`,
    token: randomBytes(20).toString('hex'),
    hash: randomBytes(20).toString('hex'),
  }
  execFileSync('sh', ['-euc', livedIn, 'sh', root], { env: { ...process.env, ...secrets } })
  return { root, secrets }
}

const livedIn = String.raw`
cd "$1"
put() { mkdir -p "$(dirname ".$1")"; cat > ".$1"; chmod "$2" ".$1"; }
inside() { chroot . "$@"; }
# People and a system user.
inside useradd --create-home --uid 1500 --groups sudo,www-data --shell /bin/bash ops
inside useradd --create-home --uid 1501 --shell /bin/bash guest
inside useradd --system --home-dir /var/lib/collector --shell /usr/sbin/nologin collector
inside usermod --password "\$6\$salt\$$hash" ops
echo 'ops ALL=(ALL) NOPASSWD: ALL' | put /etc/sudoers.d/ops 0440
# A changed conffile, a default that was turned off, a site of its own.
sed -i 's/^http {/http {\n\tclient_max_body_size 50m;/' etc/nginx/nginx.conf
rm etc/nginx/sites-enabled/default
put /etc/nginx/sites-available/shop 0644 << END
server {
  listen 80;
  root /srv/shop;
  # ssl_certificate_key /etc/ssl/private/shop.key;
}
END
ln -s ../sites-available/shop etc/nginx/sites-enabled/shop
echo 'a shop' | put /srv/shop/index.html 0644
chown -R 33:33 srv/shop
# Own units and programs.
printf '[Service]\nExecStart=/usr/local/bin/collector\nUser=collector\n[Install]\nWantedBy=multi-user.target\n' | put /etc/systemd/system/collector.service 0644
printf '#!/bin/sh\nexec sleep infinity\n' | put /usr/local/bin/collector 0755
cp usr/bin/tree usr/local/bin/tree-as-root; chmod 4755 usr/local/bin/tree-as-root
inside systemctl enable collector.service 2> /dev/null
inside systemctl disable cron.service 2> /dev/null
echo 'vm.swappiness = 5' | put /etc/sysctl.d/50-own.conf 0644
printf 'x' >> usr/bin/tree
# What is not Debian's.
mkdir -p tmp/local/DEBIAN tmp/local/opt/local-tool
printf 'Package: local-tool\nVersion: 1.0\nArchitecture: all\nMaintainer: none <none@localhost>\nDepends: libyaml-0-2 | bash\nDescription: of nobody\n' > tmp/local/DEBIAN/control
echo 'a tool' > tmp/local/opt/local-tool/tool
dpkg-deb --root-owner-group --build tmp/local tmp/local.deb > /dev/null
inside dpkg --install /tmp/local.deb > /dev/null
rm -r tmp/local tmp/local.deb
inside apt-mark hold nginx-light > /dev/null
# Secrets, well kept and badly kept.
printf -- '-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$tlsKey" | put /etc/ssl/private/shop.key 0600
printf 'keep this:\n-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$openKey" | put /usr/local/share/notes.txt 0644
printf 'host = db\npassword = %s\n' "$password" | put /etc/collector/database.conf 0644
printf 'endpoint https://collector.example.org/\nid %s\n' "$token" | put /etc/collector/endpoint.conf 0644
printf 'interval = 10\n' | put /etc/collector/settings.conf 0644
printf '%s' "$token" | gzip | put /opt/bundle/data.gz 0644
mkdir -p etc/closed && chmod 0700 etc/closed && echo "$password" | put /etc/closed/open.txt 0644
# State, and what is no file.
mkdir -p var/lib/collector var/spool/cron/crontabs data && echo rows > var/lib/collector/rows
echo '* * * * * true' | put /var/spool/cron/crontabs/ops 0600
echo '/dev/vdb1 /srv/files ext4 defaults,credentials=/root/x 0 2' >> etc/fstab
mkfifo opt/bundle/pipe
mkdir -p usr/local/lib/node_modules/left && echo '{}' > usr/local/lib/node_modules/left/package.json
`

export interface BootedSystem {
  /** Runs a program in the system's network. */
  inNetwork(program: string, args: readonly string[]): readonly [string, readonly string[]]
  stop(): Promise<void>
}

/** Boots the root as it is, in a network of its own that only this host's root can enter. */
export function bootLivingSystem(folder: string, root: string): BootedSystem {
  const network = join(folder, 'network')
  writeFileSync(network, '')
  execFileSync('unshare', [`--net=${network}`, 'ip', 'link', 'set', 'lo', 'up'])
  const nspawn = [
    ...['systemd-nspawn', '--quiet', `--directory=${root}`, '--register=no', '--keep-unit', '--console=pipe'],
    ...[
      `--network-namespace-path=${network}`,
      '--resolv-conf=off',
      '--timezone=off',
      '--link-journal=no',
      '--boot',
    ],
  ]
  const system: ChildProcess = spawn(
    'unshare',
    [
      ...['--mount', '--propagation=private', '--pid', '--fork', '--kill-child', 'sh', '-euc'],
      'mount -t proc proc /proc; exec "$@"',
      'sh',
      ...nspawn,
    ],
    { stdio: 'ignore' },
  )
  const ended = new Promise<void>((done) => system.once('exit', () => done()))
  return {
    inNetwork: (program, args) => ['nsenter', [`--net=${network}`, program, ...args]],
    stop: async () => {
      system.kill('SIGKILL')
      await ended
      execFileSync('umount', [network])
    },
  }
}

/** A throwaway key for these users, and a folder for PATH whose `ssh` has it as the user's own configuration would. */
export function makeSshAccess(folder: string, root: string, users: readonly string[]): string {
  const access = join(folder, 'ssh')
  mkdirSync(access, { mode: 0o700 })
  const key = join(access, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  for (const user of users) {
    const home = join(root, 'home', user, '.ssh')
    mkdirSync(home, { mode: 0o700 })
    writeFileSync(join(home, 'authorized_keys'), readFileSync(`${key}.pub`))
    execFileSync('chroot', [root, 'chown', '-R', `${user}:`, `/home/${user}/.ssh`])
  }
  const settings = `Host nowhere\n  HostName 127.0.0.1\n  Port 1\nHost *\n  IdentityFile ${key}\n  IdentitiesOnly yes\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile ${join(access, 'hosts')}\n  BatchMode yes\n`
  writeFileSync(join(access, 'config'), settings)
  writeFileSync(join(access, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${join(access, 'config')} "$@"\n`)
  chmodSync(join(access, 'ssh'), 0o755)
  return access
}
