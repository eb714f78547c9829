import type { Finding, HealthCheck } from '../core/index.ts'
import type { Facts, Socket } from './facts.ts'

export interface HealthPlan {
  readonly health: readonly HealthCheck[]
  readonly findings: readonly Finding[]
}

/** Programs that answer plain HTTP on these ports unless somebody told them otherwise. */
const webPrograms = new Set(['nginx', 'apache2', 'lighttpd', 'caddy', 'haproxy', 'varnishd'])
const webPorts = new Set([80, 8000, 8080])
const within = '30s'

const hint = 'add spec.health in ashlar.yaml: a release without checks is confirmed as soon as it has booted'

/** Checks of what listens there and comes along. `has` says whether the image has a unit. */
export function planHealth({ live, sockets }: Facts, has: (unit: string) => boolean): HealthPlan {
  if (!live || sockets === undefined) {
    const why = live
      ? 'there is no ss, which tells what listens'
      : 'a system that does not run shows nothing that listens'
    return {
      health: [],
      findings: [{ code: 'health-unknown', message: `${why}: no health check is suggested`, hint }],
    }
  }
  const checks = new Map<string, HealthCheck>()
  const findings: Finding[] = []
  for (const socket of sockets) {
    const check = has(socket.unit) ? checkOf(socket) : undefined
    if (check === undefined || checks.has(check.name)) continue
    checks.set(check.name, check)
    findings.push({
      code: 'health-suggested',
      message: `${check.name}: ${socket.process} of ${socket.unit} listens on ${socket.address}:${socket.port}`,
      where: 'spec.health',
      hint: 'does it show that the system does its work? change it in ashlar.yaml',
    })
  }
  const health = [...checks.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { health, findings: [...findings, ...unseenFindings(sockets, health)] }
}

function unseenFindings(sockets: readonly Socket[], health: readonly HealthCheck[]): readonly Finding[] {
  const hidden = sockets.filter(({ unit, process }) => unit === '' && process === '').length
  if (hidden > 0)
    return [
      {
        code: 'health-unknown',
        message: `${hidden} listening sockets belong to processes that this user may not see`,
        hint: 'run it with sudo, or as a user who may use sudo without a password',
      },
    ]
  return health.length > 0
    ? []
    : [
        {
          code: 'health-unknown',
          message: 'nothing that comes along listens: no health check is suggested',
          hint,
        },
      ]
}

/** Only what can be reached from the node itself, under an address that every node has. */
function checkOf({ address, port, process, unit }: Socket): HealthCheck | undefined {
  const host = address.replace(/[[\]]|%.*$/g, '')
  // Its host keys stay behind, so that it does not start before it has some of its own.
  if (process === 'sshd' || process === 'systemd') return undefined
  if (!['0.0.0.0', '*', '::', '127.0.0.1', '::1'].includes(host)) return undefined
  const stem = unit
    .replace(/\.service$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  const name = `${stem === '' ? 'service' : stem}-${port}`.slice(0, 63)
  if (webPrograms.has(process) && webPorts.has(port))
    return { name, http: `http://localhost${port === 80 ? '' : `:${port}`}/`, within }
  return { name, tcp: `localhost:${port}`, within }
}
