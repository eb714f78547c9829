import { describe, expect, test } from 'vitest'
import { parseDefinition } from '../core/index.ts'
import { draftOf, pathsToRead, planOf } from './plan.ts'
import { factsOf, rowsOf } from './read-facts.ts'

/** What every system here has. */
const base = [
  'live\tno',
  'release\tID=debian',
  'release\tVERSION_CODENAME=bookworm',
  'debian-version\t12.11',
  'hostname\tweb-1.example.org',
  'index\tDebian',
  ...package_('dpkg', ['Essential: yes']),
  ...package_('systemd'),
  ...package_('linux-image-amd64'),
  'base-account\tsudo',
  'base-account\twww-data',
  'base-account\troot',
  'passwd\troot:x:0:0::/root:/bin/bash',
  'passwd\twww-data:x:33:33::/var/www:/usr/sbin/nologin',
  'group\troot:x:0:',
  'group\twww-data:x:33:',
  'group\tsudo:x:27:',
  ...['/etc', '/srv', '/opt', '/usr/local'].flatMap((path) => [
    `entry\td\t755\t0\t0\t4096\t${path}\t`,
    `owned\tdpkg\t${path}`,
  ]),
]

interface From {
  readonly origin?: string
  readonly component?: string
  readonly offered?: string
}

/** An installed package, asked for by name; `offered` is the archive's version, `none` where it has none. */
function package_(
  name: string,
  fields: readonly string[] = [],
  { origin = 'Debian', component = 'main', offered = '1' }: From = {},
): string[] {
  const plain = ['Architecture', 'Version', 'Status']
    .map((field, index) => [field, ['amd64', '1', 'install ok installed'][index]] as const)
    .filter(([field]) => !fields.some((line) => line.startsWith(`${field}:`)))
    .map(([field, value]) => `${field}: ${value}`)
  return [
    ...[`Package: ${name}`, ...plain, ...fields, ''].map((line) => `status\t${line}`),
    ...(offered === 'none' ? [] : [`origin\t${name}\t${offered}\t${origin}\t${component}`]),
  ]
}

const auto = (name: string) => `auto\t${name}`
const file = (path: string, mode = '644', owner = '0\t0') => `entry\tf\t${mode}\t${owner}\t10\t${path}\t`
const link = (path: string, target: string) => `entry\tl\t777\t0\t0\t10\t${path}\t${target}`
const folder = (path: string, mode = '755', owner = '0\t0') => `entry\td\t${mode}\t${owner}\t10\t${path}\t`

function plan(lines: readonly string[], contents: Readonly<Record<string, string>> = {}) {
  const facts = factsOf(rowsOf([...base, ...lines].join('\n')))
  const draft = draftOf(facts, undefined)
  const read = new Map(pathsToRead(draft).map((path) => [path, Buffer.from(contents[path] ?? 'plain\n')]))
  const planned = planOf(facts, draft, read)
  const parsed = parseDefinition(planned.definition)
  if (parsed.is === 'findings') throw new Error(JSON.stringify(parsed.findings))
  const usual = new Set(['health-unknown', 'password'])
  return {
    ...{ spec: parsed.definition.spec, name: parsed.definition.metadata.name, planned },
    said: planned.findings
      .filter(({ code }) => !usual.has(code))
      .map(({ code, where }) => [code, where].filter(Boolean).join(' ')),
  }
}

describe('packages', () => {
  test.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['one that was asked for is', package_('nginx'), ['nginx'], []],
    ['one that came by itself is not', [...package_('libc6'), auto('libc6')], [], []],
    [
      'one that another brings is not',
      [...package_('nginx', ['Depends: zlib1g (>= 1)']), ...package_('zlib1g')],
      ['nginx'],
      [],
    ],
    [
      'one that only stands second is',
      [...package_('app', ['Depends: exim4 | postfix']), ...package_('postfix')],
      ['app', 'postfix'],
      [],
    ],
    [
      'a second choice is, though it came by itself',
      [
        ...package_('app', ['Depends: exim4 | mail-agent']),
        ...package_('postfix', ['Provides: mail-agent']),
        auto('postfix'),
      ],
      ['app', 'postfix'],
      ['package-added'],
    ],
    [
      'a recommended one is, since an image has none by itself',
      [
        ...package_('curl', ['Recommends: ca-certificates']),
        ...package_('ca-certificates'),
        auto('ca-certificates'),
      ],
      ['ca-certificates', 'curl'],
      ['package-added'],
    ],
    [
      'of two that bring each other one is',
      [...package_('a1', ['Depends: b1']), ...package_('b1', ['Depends: a1'])],
      ['a1'],
      [],
    ],
    ['what Ashlar brings is not', package_('udev'), ['udev'].slice(1), []],
    ['what upgrades a machine is not', package_('unattended-upgrades'), [], ['package-superfluous']],
    ['one from a file is not', package_('own', [], { offered: 'none' }), [], ['package-local']],
    [
      'one of another archive is not',
      package_('docker-ce', [], { origin: 'Docker' }),
      [],
      ['package-third-party'],
    ],
    [
      'one of non-free is not',
      package_('firmware-x', [], { component: 'non-free' }),
      [],
      ['package-component'],
    ],
    [
      'one of another architecture is not',
      package_('libc6', ['Architecture: i386']),
      [],
      ['package-foreign'],
    ],
    ['one that was removed is not', package_('gone', ['Status: deinstall ok config-files']), [], []],
    [
      'one that is held is, at another version',
      package_('nginx', ['Status: hold ok installed']),
      ['nginx'],
      ['package-held'],
    ],
    [
      'one of which Debian has another version is',
      package_('nginx', [], { offered: '2' }),
      ['nginx'],
      ['package-version'],
    ],
    [
      'what only a foreign one needed is named',
      [...package_('own', ['Depends: libown'], { offered: 'none' }), ...package_('libown'), auto('libown')],
      [],
      ['package-local', 'package-orphan'],
    ],
  ])('%s', (_, lines, packages, said) => {
    const { spec, said: all } = plan(lines)
    expect([spec.packages, all]).toEqual([packages, said])
  })

  test('without indexes all count as Debian’s, and that is said', () => {
    const facts = factsOf(
      rowsOf([...base, ...package_('own')].filter((line) => !/^(?:index|origin)\t/.test(line)).join('\n')),
    )
    const { packages } = draftOf(facts, undefined)
    expect(packages.packages).toEqual(['own'])
    expect(packages.findings.map(({ code }) => code)).toEqual(['origins-unknown'])
  })

  const kernels = (...names: string[]) => [
    ...base.map((line) => line.replace(/linux-image-amd64/, 'bash')),
    ...names.flatMap((name) => package_(name)),
  ]
  test.each([
    [
      'a cloud’s',
      ['linux-image-cloud-amd64', 'linux-image-6.1.0-40-cloud-amd64'],
      'linux-image-cloud-amd64',
      0,
    ],
    ['the usual one beside another', ['linux-image-rt-amd64', 'linux-image-amd64'], 'linux-image-amd64', 0],
    ['only one that no update follows', ['linux-image-6.1.0-40-amd64'], 'linux-image-amd64', 1],
    ['none', [], 'linux-image-amd64', 1],
  ])('kernel: %s', (_, names, kernel, said) => {
    const { packages } = draftOf(factsOf(rowsOf(kernels(...names).join('\n'))), undefined)
    expect([
      packages.kernel,
      packages.findings.filter(({ code }) => code === 'kernel-chosen').length,
    ]).toEqual([kernel, said])
  })
})

describe('accounts', () => {
  test.each<[string, readonly string[], readonly unknown[], readonly string[]]>([
    [
      'a person',
      ['passwd\tann:x:1000:1000::/home/ann:/bin/bash', 'group\tann:x:1000:'],
      [['ann', 1000, []]],
      [],
    ],
    [
      'a person and groups of Debian',
      [
        'passwd\tann:x:1000:1000::/home/ann:/bin/bash',
        'group\tann:x:1000:',
        'group\tops:x:1001:ann',
        'group\tsudo:x:27:ann',
      ],
      [['ann', 1000, ['sudo']]],
      ['group-lost', 'group-lost'],
    ],
    [
      'a system user of nobody',
      ['passwd\tapp:x:998:998::/opt/app:/bin/sh', 'group\tapp:x:998:'],
      [['app', 400, []]],
      ['user-renumbered'],
    ],
    [
      'a system user of a package that comes along',
      [...package_('db'), 'passwd\tdb:x:998:998::/:/bin/sh', 'group\tdb:x:998:', 'maker\tdb\tdb'],
      [],
      [],
    ],
    [
      'a system user of a package that stays behind',
      [
        ...package_('db', [], { offered: 'none' }),
        'passwd\tdb:x:998:998::/:/bin/sh',
        'group\tdb:x:998:',
        'maker\tdb\tdb',
      ],
      [['db', 400, []]],
      ['package-local', 'user-renumbered'],
    ],
    [
      'a name that a definition cannot have',
      ['passwd\tAnn.B:x:1000:1000::/:/bin/sh', 'group\tAnn.B:x:1000:'],
      [],
      ['group-lost', 'user-unfit'],
    ],
    [
      'a person whose group has another number',
      ['passwd\tann:x:1000:1005::/:/bin/sh', 'group\tann:x:1005:'],
      [['ann', 1000, []]],
      ['group-renumbered'],
    ],
    [
      'two with one number',
      ['passwd\tann:x:1000:1000::/:/bin/sh', 'passwd\tbob:x:1000:1000::/:/bin/sh'],
      [
        ['ann', 1000, []],
        ['bob', 400, []],
      ],
      ['user-renumbered'],
    ],
  ])('%s', (_, lines, users, said) => {
    const { spec, said: all } = plan(lines)
    expect([spec.users.map(({ name, uid, groups }) => [name, uid, groups]), all]).toEqual([users, said])
  })
})

const conffile = [...package_('nginx'), 'status\t'].flatMap((line) =>
  line === 'status\tPackage: nginx'
    ? [line, 'status\tConffile: /etc/nginx.conf 11111111111111111111111111111111']
    : [line],
)
const md5 = (path: string, digit: string) => `md5\t${digit.repeat(32)}  ${path.slice(1)}`

describe('files', () => {
  test.each<[string, readonly string[], readonly string[], readonly string[]]>([
    [
      'a conffile as shipped stays',
      [...conffile, 'owned\tnginx\t/etc/nginx.conf', file('/etc/nginx.conf'), md5('/etc/nginx.conf', '1')],
      [],
      [],
    ],
    [
      'a changed one is carried',
      [...conffile, 'owned\tnginx\t/etc/nginx.conf', file('/etc/nginx.conf'), md5('/etc/nginx.conf', '2')],
      ['/etc/nginx.conf'],
      [],
    ],
    ['one that was taken away is named', conffile, [], ['file-removed /etc/nginx.conf']],
    [
      'a conffile that its package takes away is not missed',
      conffile.map((line) => line.replace(/1{32}/, '$& remove-on-upgrade')),
      [],
      [],
    ],
    ['a file of no package is carried', [file('/etc/own.conf')], ['/etc/own.conf'], []],
    [
      'one that ucf put there stays',
      [file('/etc/own.conf'), md5('/etc/own.conf', '3'), `ucf\t${'3'.repeat(32)}  /etc/own.conf`],
      [],
      [],
    ],
    [
      'a copy of a template stays',
      [file('/etc/profile'), md5('/etc/profile', '4'), `template\t${'4'.repeat(32)}  x`],
      [],
      [],
    ],
    ['what is closed stays', [file('/etc/own.conf', '640')], [], ['secret /etc/own.conf']],
    [
      'what lies in a closed folder stays',
      [folder('/etc/own', '750'), file('/etc/own/a')],
      [],
      ['secret /etc/own/a'],
    ],
    ['a name of a secret stays', [file('/etc/own.key')], [], ['secret /etc/own.key']],
    ['content of a secret stays', [file('/etc/secretly.conf')], [], ['secret /etc/secretly.conf']],
    [
      'a changed file of a package that stays behind stays',
      [
        ...package_('own', [], { offered: 'none' }),
        'owned\town\t/opt/own',
        'changed\town\t/opt/own',
        file('/opt/own'),
      ],
      [],
      ['file-of-left-out /opt/own', 'package-local'],
    ],
    [
      'a folder with too much in it stays as a whole',
      [...Array(501).keys()].map((n) => file(`/usr/local/go/src/f${n}`)).concat(file('/opt/small/a')),
      ['/opt/small/a'],
      ['tree-large /usr/local/go'],
    ],
    [
      'programs that are not their package’s stay, and are named together',
      [
        ...package_('tree'),
        'changed\ttree\t/bin/tree',
        'changed\ttree\t/bin/tree2',
        'lost\ttree\t/bin/tree3',
      ],
      [],
      ['file-removed /bin/tree3', 'program-changed'],
    ],
    [
      'what was diverted is not changed, and what it was diverted to has an owner',
      [
        ...package_('tree'),
        'changed\ttree\t/bin/tree',
        'diversion\t/usr/bin/tree\t/usr/bin/tree.x\ttree',
        'stray\t/usr/bin/tree.x',
      ],
      [],
      [],
    ],
    [
      'a diversion of somebody is named',
      ['diversion\t/usr/bin/a\t/usr/bin/b\t:'],
      [],
      ['diversion /usr/bin/a'],
    ],
    [
      'what no package owns in /usr is named',
      ['stray\t/usr/bin/a', 'stray\t/usr/share/man/b'],
      [],
      ['file-stray /usr/bin/a'],
    ],
    [
      'what a program must read first is carried, and that is said',
      [file('/usr/local/share/ca-certificates/own.crt'), file('/etc/locale.gen')],
      ['/etc/locale.gen', '/usr/local/share/ca-certificates/own.crt'],
      ['file-unapplied /etc/locale.gen', 'file-unapplied /usr/local/share/ca-certificates/own.crt'],
    ],
    [
      'a folder of Debian’s that is a link was not looked into',
      [link('/srv', '/data')],
      [],
      ['folder-unknown /srv'],
    ],
    ['a device stays', ['entry\tc\t666\t0\t0\t0\t/opt/null\t'], [], ['file-special /opt/null']],
    ['a large file stays', ['entry\tf\t644\t0\t0\t99999999\t/opt/big\t'], [], ['file-large /opt/big']],
    [
      'network and host name stay',
      [file('/etc/network/interfaces'), file('/etc/hosts')],
      [],
      ['machine-identity /etc/hosts', 'network /etc/network/interfaces'],
    ],
    [
      'what machines make stays',
      [file('/etc/ld.so.cache'), file('/etc/passwd-'), link('/etc/rc2.d/S01cron', '../init.d/cron')],
      [],
      [],
    ],
    ['an alternative that nobody chose stays', [link('/etc/alternatives/editor', '/bin/nano')], [], []],
    [
      'an alternative that somebody chose is carried',
      ['alternative\teditor', link('/etc/alternatives/editor', '/bin/nano')],
      ['/etc/alternatives/editor'],
      [],
    ],
    [
      'a mask is carried',
      [link('/etc/systemd/system/x.service', '/dev/null')],
      ['/etc/systemd/system/x.service'],
      [],
    ],
    [
      'who needs a secret is named',
      [file('/etc/site.conf'), file('/etc/tls/site.pem', '600')],
      ['/etc/site.conf'],
      ['secret /etc/tls/site.pem', 'secret-needed /etc/site.conf'],
    ],
  ])('%s', (_, lines, files, said) => {
    const { planned, said: all } = plan(lines, {
      '/etc/secretly.conf': 'password=hunter2',
      '/etc/site.conf': 'tls /etc/tls/site.pem',
    })
    expect([planned.summary.files, all]).toEqual([files, said])
  })

  test.each([
    [
      'root’s with the usual modes lie in rootfs',
      [file('/usr/local/bin/a', '755'), file('/etc/a')],
      ['rootfs/ root:root'],
      [],
    ],
    [
      'another mode has a tree of its own',
      [file('/etc/a', '604')],
      ['rootfs-root-root-0604/ root:root 0604'],
      [],
    ],
    [
      'setuid is named',
      [file('/usr/local/bin/a', '4755')],
      ['rootfs-root-root-4755/ root:root 4755'],
      ['file-privileged /usr/local/bin/a'],
    ],
    [
      'another owner has one',
      [folder('/srv/a', '755', '33\t33'), file('/srv/a/b', '644', '33\t33')],
      ['rootfs-www-data-www-data/ www-data:www-data'],
      [],
    ],
    [
      'an owner that the image lacks is root',
      [file('/etc/a', '644', '77\t77')],
      ['rootfs/ root:root'],
      ['owner-lost /etc/a'],
    ],
    [
      'a folder that comes out otherwise is named',
      [folder('/srv/a', '1777'), file('/srv/a/b')],
      ['rootfs/ root:root'],
      ['folder-owner /srv/a'],
    ],
  ])('%s', (_, lines, layers, said) => {
    const { spec, said: all } = plan(lines)
    const printed = spec.files.map(({ from, owner, mode }) => [from, owner, mode].filter(Boolean).join(' '))
    expect([printed, all]).toEqual([layers, said])
  })
})

const unit = ['owned\tnginx\t/lib/systemd/system/nginx.service', ...package_('nginx')]
const wanted = link(
  '/etc/systemd/system/multi-user.target.wants/nginx.service',
  '/lib/systemd/system/nginx.service',
)

describe('services', () => {
  test.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['one that somebody enabled is listed', [...unit, wanted], ['nginx.service'], []],
    [
      'one that its package enabled is not',
      [...unit, wanted, 'helper-enabled\tmulti-user.target.wants/nginx.service'],
      [],
      [],
    ],
    [
      'one that somebody disabled is masked',
      [...unit, 'helper-enabled\tmulti-user.target.wants/nginx.service'],
      [],
      ['service-masked /etc/systemd/system/nginx.service'],
    ],
    [
      'one that a preset leaves off is not masked',
      [
        ...unit,
        'helper-enabled\tmulti-user.target.wants/nginx.service',
        'preset\tdisable ngi*.service',
        'preset\tenable *',
      ],
      [],
      [],
    ],
    [
      'own units are listed',
      [
        file('/etc/systemd/system/own@.service'),
        link('/etc/systemd/system/a.target.wants/own@1.service', 'x'),
      ],
      ['own@1.service'],
      [],
    ],
    [
      'one whose unit stays behind is named',
      [wanted],
      [],
      ['service-lost /etc/systemd/system/multi-user.target.wants/nginx.service'],
    ],
    [
      'one that a socket starts is not masked',
      [
        ...unit,
        'owned\tnginx\t/lib/systemd/system/nginx.socket',
        link('/etc/systemd/system/sockets.target.wants/nginx.socket', 'x'),
        'helper-enabled\tmulti-user.target.wants/nginx.service',
      ],
      ['nginx.socket'],
      ['service-on-again'],
    ],
  ])('%s', (_, lines, services, said) => {
    const { spec, said: all } = plan(lines)
    expect([spec.services, all]).toEqual([services, said])
  })
})

describe('health', () => {
  test.each<[string, string, readonly unknown[]]>([
    [
      'a web server on port 80',
      '*:80\tnginx\tnginx.service',
      [{ name: 'nginx-80', http: 'http://localhost/', within: '30s' }],
    ],
    [
      'one on another port',
      '[::]:8080\tnginx\tnginx.service',
      [{ name: 'nginx-8080', http: 'http://localhost:8080/', within: '30s' }],
    ],
    [
      'with TLS',
      '0.0.0.0:443\tnginx\tnginx.service',
      [{ name: 'nginx-443', tcp: 'localhost:443', within: '30s' }],
    ],
    ['on an address of that machine alone', '192.0.2.1:80\tnginx\tnginx.service', []],
    ['of a unit that stays behind', '*:80\tother\tother.service', []],
    ['of no unit', '*:80\tnginx\t', []],
  ])('%s', (_, socket, health) => {
    const facts = [
      ...base.filter((line) => line !== 'live\tno'),
      'live\tyes',
      'sockets\tread',
      ...unit,
      `socket\t${socket}`,
    ]
    const read = factsOf(rowsOf(facts.join('\n')))
    expect(planOf(read, draftOf(read, undefined), new Map()).summary.health).toEqual(health)
  })
  test.each<[string, readonly string[], string]>([
    ['of a system that does not run', ['live\tno'], 'does not run'],
    ['where no program tells', ['live\tyes'], 'no ss'],
    ['where nothing listens', ['live\tyes', 'sockets\tread'], 'nothing that comes along'],
    [
      'of what this user may not see',
      ['live\tyes', 'sockets\tread', 'socket\t*:80\t\t'],
      '1 listening sockets',
    ],
  ])('%s none is suggested, and that is said', (_, lines, message) => {
    const read = factsOf(rowsOf([...base.filter((line) => line !== 'live\tno'), ...lines].join('\n')))
    const { summary, findings } = planOf(read, draftOf(read, undefined), new Map())
    expect(summary.health).toEqual([])
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'health-unknown', message: expect.stringContaining(message) }),
    )
  })
})

describe('a system that lies', () => {
  test.each([
    ['a path out of the folder', [file('/etc/../../../tmp/x')]],
    ['a path that is not absolute', [file('etc/x')]],
    ['a file behind a link', [link('/etc/a', '/tmp'), file('/etc/a/b')]],
    ['a file far behind a link', [link('/etc/a', '/tmp'), file('/etc/a/b/c')]],
  ])('%s is refused', (_, lines) => {
    expect(() => factsOf(rowsOf(lines.join('\n')))).toThrow(
      expect.objectContaining({ code: 'observation-broken' }),
    )
  })
})

describe('what is no Debian of ours', () => {
  const without = (kind: RegExp, ...lines: string[]) => [...base.filter((line) => !kind.test(line)), ...lines]
  test.each([
    ['an Ubuntu', without(/^release\tID/, 'release\tID=ubuntu'), 'suite-unsupported'],
    ['bullseye', without(/CODENAME/, 'release\tVERSION_CODENAME=bullseye'), 'suite-unsupported'],
    [
      'a testing that bears a name',
      without(/^debian-version/, 'debian-version\ttrixie/sid'),
      'suite-unsupported',
    ],
    ['a system without a name', without(/^release/), 'suite-unsupported'],
    [
      'another processor',
      base.map((line) => line.replace('Architecture: amd64', 'Architecture: riscv64')),
      'architecture-unsupported',
    ],
  ])('%s is refused', (_, lines, code) => {
    expect(() => draftOf(factsOf(rowsOf(lines.join('\n'))), undefined)).toThrow(
      expect.objectContaining({ code }),
    )
  })
})

test.each([
  [
    'what means the same anywhere',
    'console=ttyS0 mitigations=off ro root=UUID=1 quiet',
    ['console=ttyS0', 'mitigations=off'],
    undefined,
  ],
  [
    'what may not, by its name alone',
    'ip=192.0.2.1 token=hunter2',
    [],
    'these may mean only that machine: ip, token',
  ],
])('kernel arguments: %s', (_, line, kept, message) => {
  const { spec, planned } = plan([`kernel\t${line}`])
  expect(spec.kernel.arguments).toEqual(kept)
  expect(planned.findings.find(({ code }) => code === 'kernel-argument')?.message).toBe(message)
})

test.each([
  ['data of a program', 'state\t2000\t/var/lib/mysql', ['state /var/lib/mysql']],
  ['data of every Debian', 'state\t2000\t/var/lib/dpkg', []],
  ['containers', 'state\t2000\t/var/lib/docker', ['containers /var/lib/docker']],
  ['a home', 'state\t20\t/home/ann', ['home /home/ann']],
  ['a mount', 'mount\t/data\text4', ['mount /data']],
  ['the root’s mount', 'mount\t/\text4', []],
  ['a folder beside Debian’s', 'top\tdata', ['folder-unknown /data']],
  ['what could not be read', 'closed\t-\t/etc/own', ['unread /etc/own']],
  ['a name that cannot be printed', 'odd\tetc/a?b', ['file-odd-name /etc/a?b']],
  [
    'host keys',
    file('/etc/ssh/ssh_host_rsa_key', '600'),
    ['machine-identity /etc/ssh/ssh_host_rsa_key', 'ssh-host-keys /etc/ssh'],
  ],
])('%s is named, or is nothing', (_, line, said) => expect(plan([line]).said).toEqual(said))

test('the image has the host’s name, or the one that was given', () => {
  expect(plan([]).name).toBe('web-1')
  expect(draftOf(factsOf(rowsOf(base.join('\n'))), 'shop').name).toBe('shop')
})

test('the same system gives the same definition and report, in whatever order it tells of itself', () => {
  const lines = [
    ...unit,
    wanted,
    file('/etc/b'),
    file('/etc/a'),
    file('/etc/c', '600'),
    'foreign\tnpm\tx',
    'foreign\tpip\ty',
  ]
  const there = plan(lines).planned
  const back = plan(
    lines
      .filter((line) => !line.startsWith('status'))
      .toReversed()
      .concat(lines.filter((line) => line.startsWith('status'))),
  ).planned
  expect(back.definition).toBe(there.definition)
  expect(back.findings).toEqual(there.findings)
})
