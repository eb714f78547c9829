import { AdoptError, parseTarget } from '../../../src/adopt/index.ts'
import { draftOf, pathsToRead, planOf } from '../../../src/adopt/plan.ts'
import { factsOf, rowsOf } from '../../../src/adopt/read-facts.ts'
import { contentOf, secretContent } from '../../../src/adopt/secrets.ts'
import { shellOf } from '../../../src/adopt/target.ts'
import { ApiError } from '../../../src/api/index.ts'
import { parseResources } from '../../../src/cli/apply.ts'
import { CliError, type Context } from '../../../src/cli/context.ts'
import { openSession } from '../../../src/cli/session.ts'
import { parseLabels } from '../../../src/cli/token.ts'
import { realSys, type Sys } from '../../../src/sys/index.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'
import { fleet } from './wire.ts'

const resources = `apiVersion: ashlar/v1
kind: Fleet
metadata: &m { name: plants-eu, labels: { site: eu } }
spec:
  nodes: { matchLabels: { site-class: plant } }
  image: gateway
  rollout: { waves: [{ count: 1 }, { percent: 100 }], deadline: 20m }
---
apiVersion: ashlar/v1
kind: Fleet
metadata: { name: other }
spec: { nodes: { matchLabels: &l { a: b } }, image: x, rollout: { waves: [&w { count: 1 }, *w] } }
`

/** What a system that is adopted tells of itself. */
const facts = [
  ...[
    'live\tyes',
    'user\t0',
    'release\tID=debian',
    'release\tVERSION_CODENAME=bookworm',
    'debian-version\t12.11',
  ],
  ...[
    'hostname\tweb-1',
    'index\tDebian',
    'kernel\tquiet panic=5',
    'socket\t0.0.0.0:80\tnginx\tnginx.service',
  ],
  ...['dpkg', 'systemd', 'linux-image-amd64', 'nginx'].flatMap((name) => [
    ...['Package', 'Architecture', 'Version', 'Status'].map(
      (field, index) => `status\t${field}: ${[name, 'amd64', '1', 'install ok installed'][index]}`,
    ),
    ...['status\t', `origin\t${name}\t1\tDebian\tmain`],
  ]),
  ...[
    'auto\tsystemd',
    'base-account\troot',
    'passwd\troot:x:0:0::/root:/bin/bash',
    'group\troot:x:0:',
    'group\tadm:x:4:web',
  ],
  ...['passwd\tweb:x:1000:1000::/srv/web:/bin/sh', 'group\tweb:x:1000:'],
  ...['/etc', '/srv', '/opt', '/usr/local', '/srv/web', '/etc/nginx'].map(
    (path) => `entry\td\t755\t0\t0\t4096\t${path}\t`,
  ),
  ...['owned\tdpkg\t/etc', 'owned\tnginx\t/etc/nginx', 'changed\tnginx\t/etc/nginx/nginx.conf'],
  ...['/etc/nginx/nginx.conf', '/srv/web/index.html', '/etc/cron.d/x'].map(
    (path) => `entry\tf\t644\t1000\t1000\t10\t${path}\t`,
  ),
  ...[
    'entry\tl\t777\t0\t0\t10\t/etc/localtime\t/usr/share/zoneinfo/UTC',
    'mount\t/srv\text4',
    'state\t12\t/var/lib/x',
  ],
].join('\n')

export const commandTargets: readonly FuzzTarget[] = [
  {
    name: 'adopted-system',
    form: 'text',
    seeds: [facts],
    words: [
      '\t',
      'entry\tf\t644\t0\t0\t10\t',
      '/etc/systemd/system/',
      '/../',
      'passwd\t',
      'status\t',
      'preset\tenable *',
      '::',
      '0',
    ],
    refuses: [AdoptError],
    read(bytes) {
      const read = factsOf(rowsOf(textOf(bytes)))
      const draft = draftOf(read, undefined)
      const content = new Map(pathsToRead(draft).map((path) => [path, Buffer.from('plain\n')]))
      const { files } = planOf(read, draft, content)
      for (const { path } of files)
        promise(
          !path.startsWith('/') && !path.split('/').includes('..'),
          `a file outside the definition: ${path}`,
        )
    },
  },
  {
    name: 'adopted-content',
    form: 'text',
    seeds: [
      'server {\n  listen 80;\n  root /srv/web;\n}\n',
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
      'mysql --user=root -p secret\nhttps://user:secret@host.test/\n<password>secret</password>\n',
    ],
    words: [
      ...['password', 'pass', 'token: ', '<', '<secret', 'mysql ', ' -p', '://', ':a@', '-----BEGIN '],
      ...[
        'PRIVATE KEY',
        'CERTIFICATE-----',
        '-----END ',
        'ssh-rsa AAAA',
        ' --',
        '-----',
        '"',
        '\t',
        'login a',
      ],
    ],
    refuses: [],
    read(bytes) {
      const kind = contentOf(bytes)
      if (kind !== 'text') return
      const secret = '\ndatabase_password = "Tr0ub4dor-and-3"\n'
      for (const text of [`${textOf(bytes)}${secret}`, `${secret}${textOf(bytes)}`])
        promise(
          secretContent('/etc/app.conf', Buffer.from(text), kind) !== undefined,
          'a password that is not seen for what stands around it',
        )
    },
  },
  {
    name: 'adopt-target',
    form: 'text',
    seeds: ['root@host.example.org', '/srv/old', './old', 'host:22'],
    words: ['-oProxyCommand=x', '@', ' ', ';'],
    refuses: [AdoptError],
    read(bytes) {
      const { program, args } = shellOf(parseTarget(textOf(bytes)))
      promise(program !== 'ssh' || args.at(-2)?.startsWith('-') === false, 'a host that is an option of ssh')
    },
  },
  {
    name: 'resources',
    form: 'text',
    seeds: [resources, resources.split('---\n')[0] ?? '', JSON.stringify({ ...fleet, status: undefined })],
    words: ['---\n', '&a ', '*a', '*m', '<<: *m', 'kind: Fleet', '!!set', '? '],
    refuses: [CliError],
    read(bytes) {
      const parsed = parseResources(textOf(bytes), 'fleet.yaml')
      promise(parsed.length > 0, 'an empty file is accepted')
    },
  },
  {
    name: 'labels',
    form: 'text',
    seeds: ['site=eu\nclass=plant'],
    words: ['=', '__proto__=x', '\n'],
    refuses: [CliError],
    read(bytes) {
      const labels = parseLabels(textOf(bytes).split('\n'))
      promise(
        Object.values(labels).every((label) => typeof label === 'string'),
        'a label that is no text',
      )
    },
  },
  {
    name: 'login',
    form: 'json',
    seeds: [
      JSON.stringify({ url: 'http://127.0.0.1:7443', token: 'x' }),
      JSON.stringify({ url: 'https://h', token: 'x', ca: 'PEM' }),
    ],
    words: ['http://', 'https://', 'ftp://x'],
    refuses: [CliError, ApiError],
    async read(bytes) {
      const readFile = (async () => textOf(bytes)) as unknown as Sys['disk']['readFile']
      const sys = { ...realSys, disk: { ...realSys.disk, readFile } }
      const context = { sys, folders: { data: '/data' } } as unknown as Context
      const { login } = await openSession(context)
      promise(typeof login.ca === 'string' || login.ca === undefined, 'a certificate that is no text')
    },
  },
]
