import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseLock } from '../src/core/index.ts'
import { drive, root } from './drive.ts'

// Each figure stands beside the peer's, taken in the same run: machines are noisy, ratios less so.

const data = process.env.ASHLAR_BENCH_DATA ?? join(root, '.ashlar/bench')
const work = mkdtempSync(join(tmpdir(), 'ashlar-bench-'))
const definition = join(work, 'gateway')
const { ashlar, attempt, serve } = drive({ data, program: installed(), say: () => undefined, quiet: true })

/** The command as a package of npm installs it: a clone's own runs its sources, which takes longer to begin. */
function installed(): string {
  const folder = join(work, 'installed')
  cpSync(join(root, 'bin'), join(folder, 'bin'), { recursive: true })
  for (const name of ['dist', 'node_modules', 'package.json'])
    symlinkSync(join(root, name), join(folder, name))
  return join(folder, 'bin/ashlar')
}

/** One figure. `ratio` is ours ÷ peer; below 1 is better than the peer. */
interface Row {
  readonly name: string
  readonly ours: number
  readonly peer: number | null
  readonly peerName: string
  readonly ratio: number | null
  readonly unit: string
  /** What the ratio is meant to stay under, where a bar is set. */
  readonly target: number | null
}

const rows: Row[] = []

function row(
  name: string,
  ours: number,
  unit: string,
  peer?: { readonly name: string; readonly value: number },
  target?: number,
): void {
  const ratio = peer === undefined ? null : Number((ours / peer.value).toFixed(3))
  const found = {
    name,
    ours: round(ours),
    peer: peer === undefined ? null : round(peer.value),
    peerName: peer?.name ?? '',
    ratio,
    unit,
    target: target ?? null,
  }
  rows.push(found)
  process.stderr.write(
    `  ${name}: ${found.ours} ${unit}${peer === undefined ? '' : `, ${peer.name} ${found.peer} ${unit}, ratio ${ratio}`}\n`,
  )
}

const round = (value: number) => Number(value.toFixed(value < 10 ? 2 : 1))

function run(program: string, args: readonly string[], options: { readonly cwd?: string } = {}): string {
  const ran = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, ...options })
  if (ran.status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} ended with ${ran.status}: ${ran.stdout.slice(-2_000)}${ran.stderr.slice(-2_000)}`,
    )
  return ran.stdout
}

function seconds(work: () => unknown): number {
  const startedMs = performance.now()
  work()
  return (performance.now() - startedMs) / 1_000
}

function prepare(): void {
  mkdirSync(data, { recursive: true })
  cpSync(join(root, 'examples/gateway'), definition, { recursive: true })
  for (const name of ['release', 'director']) ashlar('key', 'new', join(definition, 'keys', name))
}

/** What an image asks for beside what every system has; the peer is asked for the same. */
const packages = ['nginx-light', 'ca-certificates', 'iproute2']
const systemPackages = ['systemd', 'systemd-sysv', 'udev', 'dbus', 'linux-image-amd64', 'dracut']

/** Our builds beside mmdebstrap with the same packages, which lie on this disk: a system (its kernel's hooks make an initrd) and a container. */
function benchBuild(): void {
  benchImage('system', definition, [...systemPackages, ...packages], {
    cold: 1,
    nothing: 0.01,
    file: 0.1,
    package: 0.3,
  })
  const container = join(work, 'container')
  mkdirSync(join(container, 'rootfs/usr/share/gateway'), { recursive: true })
  cpSync(join(definition, pagePath), join(container, pagePath))
  writeFileSync(
    join(container, 'ashlar.yaml'),
    `apiVersion: ashlar/v1
kind: Image
metadata: { name: bench-container, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm }
  packages: [${packages.join(', ')}]
  files: [{ from: rootfs/, to: / }]
  run: { command: [/usr/sbin/nginx] }
`,
  )
  benchImage('container', container, packages, { file: 0.05 })
}

const pagePath = 'rootfs/usr/share/gateway/index.html'

type Targets = Partial<Record<'cold' | 'nothing' | 'file' | 'package', number>>

function benchImage(form: string, folder: string, wanted: readonly string[], targets: Targets): void {
  ashlar('lock', folder)
  ashlar('build', folder)
  const archive = localArchive(folder)
  const peer = { name: 'mmdebstrap', value: seconds(() => mmdebstrap(archive, wanted)) }
  const measure = (name: string, target?: number) =>
    row(
      `${form}, ${name}`,
      seconds(() => ashlar('build', folder)),
      's',
      peer,
      target,
    )
  // Cold: nothing but the locked inputs and the tools.
  for (const { key, what } of ashlar<{ key: string; what: string }[]>('cache', 'ls'))
    if (!what.startsWith('tools'))
      rmSync(join(data, 'cache/build/entries', key.slice('sha256:'.length)), { recursive: true })
  measure('cold', targets.cold)
  measure('nothing changed', targets.nothing)
  const page = join(folder, pagePath)
  writeFileSync(page, `${readFileSync(page, 'utf8')}<!-- changed -->\n`)
  measure('one file changed', targets.file)
  const yaml = join(folder, 'ashlar.yaml')
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('packages: [', 'packages: [hello, '))
  ashlar('lock', folder)
  measure('one package changed', targets.package)
}

/** The locked packages as an archive that apt reads. */
function localArchive(definition: string): string {
  const folder = mkdtempSync(join(work, 'archive-'))
  const lock = parseLock(readFileSync(join(definition, 'ashlar.lock'), 'utf8'))
  for (const { path, digest } of [...lock.packages, ...lock.tools])
    cpSync(join(data, 'store/blobs/sha256', digest.slice('sha256:'.length)), join(folder, basename(path)))
  const index = run('dpkg-scanpackages', ['--multiversion', '.'], { cwd: folder })
  writeFileSync(join(folder, 'Packages'), index)
  // Without a suite of that name, mmdebstrap finds no essential package in it.
  const sha256 = createHash('sha256').update(index).digest('hex')
  const release = ['Suite: bookworm', 'Codename: bookworm', `Date: ${new Date().toUTCString()}`, 'SHA256:']
  writeFileSync(
    join(folder, 'Release'),
    [...release, ` ${sha256} ${Buffer.byteLength(index)} Packages`, ''].join('\n'),
  )
  return folder
}

function mmdebstrap(archive: string, packages: readonly string[]): void {
  const source = `deb [trusted=yes] copy:${archive} ./`
  const args = [
    '--mode=root',
    '--variant=essential',
    `--include=${packages.join(',')}`,
    // Merged from the start, as our images are.
    '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
    '--skip=check/empty',
    'bookworm',
    join(work, 'peer.tar'),
    source,
  ]
  run('mmdebstrap', args)
}

/** An update from the order to the confirmation, and its outage beside that of a bare reboot of the same machine. */
async function benchNode(wanted: readonly string[]): Promise<void> {
  ashlar('lock', definition)
  const first = ashlar<{ reference: string }>('build', definition)
  const path = join(definition, 'ashlar.yaml')
  writeFileSync(path, readFileSync(path, 'utf8').replace('version: 1.0.0', 'version: 1.1.0'))
  const second = ashlar<{ reference: string; digest: string }>('build', definition)
  const { gateway } = ashlar<{ gateway: string }>('machine', 'network')
  const server = await serve(
    '--listen',
    `${gateway}:7444`,
    '--director-key',
    join(definition, 'keys/director.key'),
    '--login',
  )
  try {
    for (const { reference } of [first, second]) {
      ashlar('sign', reference, '--key', join(definition, 'keys/release.key'))
      ashlar('push', reference)
    }
    ashlar(
      'machine',
      'create',
      'bench-1',
      '--release',
      first.reference,
      '--trust',
      definition,
      '--label',
      'role=bench',
    )
    ashlar('machine', 'start', 'bench-1')
    ashlar('get', 'node', 'bench-1', '--wait-for', 'confirmed')
    if (wanted.includes('agent')) benchAgent()
    if (wanted.includes('update')) benchUpdate(second.digest)
  } finally {
    attempt('machine', 'rm', 'bench-1', '--yes')
    await server.stop()
  }
}

interface Machines {
  readonly name: string
  readonly state?: {
    readonly boots: number
    readonly lastOutageSeconds?: number
    readonly running?: { readonly complete: boolean }
  }
}

const machine = () => ashlar<Machines[]>('machine', 'list').find(({ name }) => name === 'bench-1')?.state

function benchUpdate(digest: string): void {
  const fleet = join(work, 'fleet.yaml')
  writeFileSync(
    fleet,
    'apiVersion: ashlar/v1\nkind: Fleet\nmetadata: { name: bench }\nspec: { nodes: { matchLabels: { role: bench } }, image: gateway }\n',
  )
  ashlar('apply', '-f', fleet)
  const boots = machine()?.boots ?? 0
  // The command may be gone before it has answered.
  attempt('machine', 'console', 'bench-1', '--', 'systemctl', 'reboot')
  const bare = outageAfter(boots)
  ashlar('get', 'node', 'bench-1', '--wait-for', 'confirmed')
  const before = machine()?.boots ?? 0
  row(
    'update, order to confirmed',
    seconds(() => ashlar('rollout', 'start', 'bench', digest, '--watch', '--yes')),
    's',
  )
  row('update, outage', outageAfter(before), 's', { name: 'bare reboot', value: bare })
}

/** The outage that the launcher measured of the boot after this many. */
function outageAfter(boots: number): number {
  const until = performance.now() + 120_000
  while (performance.now() < until) {
    const state = machine()
    if (
      state !== undefined &&
      state.boots > boots &&
      state.running?.complete &&
      state.lastOutageSeconds !== undefined
    )
      return state.lastOutageSeconds
  }
  throw new Error('the machine did not come back')
}

/** What the agent costs a node that has nothing to do. */
function benchAgent(): void {
  row('agent, bundle', statSync(join(root, 'dist/agent.js')).size / 1e6, 'MB')
  const inside = (script: string) =>
    ashlar<{ output: string }>('machine', 'console', 'bench-1', '--', '/bin/sh', '-c', script).output.trim()
  row(
    'agent with the Node that runs it, on disk',
    Number(inside('du -sb /usr/lib/ashlar | cut -f1')) / 1e6,
    'MB',
  )
  const pid = inside('systemctl show --property MainPID --value ashlar-agent.service')
  row('agent, resident memory', Number(inside(`awk '/^VmRSS/ {print $2}' /proc/${pid}/status`)) / 1e3, 'MB')
  const ticks = () => Number(inside(`awk '{print $14 + $15}' /proc/${pid}/stat`))
  const before = ticks()
  spawnSync('sleep', [String(idleSeconds)])
  // 100 ticks a second (proc(5), sysconf(_SC_CLK_TCK)): ticks in a second are percent of one core.
  row('agent, idle CPU', (ticks() - before) / idleSeconds, '% of a core')
}

const idleSeconds = 60

const parts = ['build', 'update', 'agent'] as const
const given = process.argv.slice(2).filter((word) => word !== '--json')
const strangers = given.filter((name) => !(parts as readonly string[]).includes(name))
if (strangers.length > 0) {
  process.stderr.write(`bench: no part ${strangers.join(', ')}; there are ${parts.join(', ')}\n`)
  process.exit(64)
}
const wanted = given.length === 0 ? parts : given

try {
  prepare()
  if (wanted.includes('build')) benchBuild()
  if (wanted.includes('update') || wanted.includes('agent')) await benchNode(wanted)
} finally {
  for (const path of [work, join(data, 'server'), join(data, 'login.json')])
    rmSync(path, { recursive: true, force: true })
}
process.stdout.write(
  process.argv.includes('--json') ? `${JSON.stringify(rows, null, 2)}\n` : `${printed()}\n`,
)
const missed = rows.filter(({ ratio, target }) => ratio !== null && target !== null && ratio > target)
for (const { name, ratio, target } of missed)
  process.stderr.write(`bench: ${name}: ${ratio} is more than ${target}\n`)
process.exitCode = missed.length === 0 ? 0 : 1

function printed(): string {
  const line = ({ name, ours, peer, peerName, ratio, unit, target }: Row) =>
    `| ${name} | ${ours} ${unit} | ${peer === null ? '—' : `${peerName} ${peer} ${unit}`} | ${ratio ?? '—'} | ${target ?? '—'} |`
  return ['| what | Ashlar | beside | ratio | target |', '|---|---|---|---|---|', ...rows.map(line)].join(
    '\n',
  )
}
