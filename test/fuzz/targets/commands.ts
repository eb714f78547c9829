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

export const commandTargets: readonly FuzzTarget[] = [
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
