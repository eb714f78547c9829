import { dirname, join } from 'node:path'
import { probeMirror } from '../build/index.ts'
import { AshlarError, type Definition } from '../core/index.ts'
import type { ExecResult, Sys } from '../sys/index.ts'
import type { Context } from './context.ts'
import { type DebianPackage, debianPackages } from './debian-packages.ts'
import { toFailure } from './failure.ts'
import { openSession } from './session.ts'
import { shippedFiles } from './shipped-files.ts'

/** One thing that commands need, and how it was found here. `unknown`: it could not be told, and counts as not there. */
export interface Check {
  readonly name: string
  readonly commands: readonly string[]
  readonly is: 'good' | 'missing' | 'unknown'
  readonly found: string
  /** The command that mends it. */
  readonly hint?: string
}

type Finding = Omit<Check, 'name' | 'commands'>

interface Probe {
  readonly name: string
  readonly commands: readonly string[]
  /** Of no interest where no Containerfile is built. */
  readonly forContainerfile?: boolean
  look(context: Context, definition: Definition | undefined): Promise<Finding>
}

const probeMs = 20_000
const serverMs = 10_000
/** A system with its packages, trees and disk form, and as much again for the next one. */
const diskBytesMin = 10e9
const server = ['get', 'push', 'apply', 'rollout', 'token', 'why', 'log']

/** Every probe does the thing itself, as the command would, and leaves nothing behind. */
export const probes: readonly Probe[] = [
  ...debianPackages.map(packageProbe),
  { name: 'root', commands: ['build', 'machine'], look: lookForRoot },
  {
    name: 'namespaces',
    commands: ['build', 'machine'],
    look: (context) => asRoot(context, 'true', kernelHint),
  },
  { name: 'overlay', commands: ['build'], look: (context) => asRoot(context, overlayScript, kernelHint) },
  { name: 'loop and erofs', commands: ['machine'], look: lookForErofs },
  {
    name: 'bridge and veth',
    commands: ['machine'],
    look: (context) => asRoot(context, linkScript, kernelHint),
  },
  { name: 'agent and Node', commands: ['lock'], look: lookForShippedFiles },
  { name: 'mirror', commands: ['lock'], look: (...given) => lookForMirror('debian', ...given) },
  {
    name: 'security mirror',
    commands: ['lock'],
    look: (...given) => lookForMirror('debian-security', ...given),
  },
  { name: 'disk space', commands: ['lock', 'build', 'machine', 'serve'], look: lookForSpace },
  { name: 'clock', commands: ['lock', 'serve', 'login', ...server], look: lookAtClock },
  { name: 'server', commands: server, look: lookForServer },
]

const kernelHint =
  'this kernel, or the container that this runs in, does not allow it: run Ashlar on the host itself'

function packageProbe(needed: DebianPackage): Probe {
  const hint = `apt-get install ${needed.name}`
  return {
    name: needed.brings.startsWith('/') ? needed.name : needed.brings,
    commands: needed.commands,
    forContainerfile: needed.forContainerfile,
    async look({ sys }) {
      const missing: Finding = { is: 'missing', found: `not installed; it ${needed.why}`, hint }
      if (needed.brings.startsWith('/')) {
        const size = await sys.disk.stat(needed.brings).then(
          (stat) => stat.size,
          () => 0,
        )
        return size > 0 ? { is: 'good', found: needed.brings } : missing
      }
      try {
        const { stdout, stderr } = await sys.exec.run(needed.brings, [versionOption(needed.brings)], {
          timeoutMs: probeMs,
        })
        return { is: 'good', found: firstLine(Buffer.from(stdout).toString('utf8') || stderr) }
      } catch (error) {
        if (error instanceof AshlarError && error.code === 'program-missing') return missing
        throw error
      }
    },
  }
}

function versionOption(program: string): string {
  return program === 'ip' || program === 'ssh' ? '-V' : '--version'
}

async function lookForRoot({ user, folders }: Context): Promise<Finding> {
  if (user === 0) return { is: 'good', found: 'this is root' }
  return { is: 'missing', found: `user ${user}`, hint: `sudo ASHLAR_DATA=${folders.data} ashlar doctor` }
}

const overlayScript = `
mount -t tmpfs tmpfs /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/both
mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/both
: > /mnt/both/file && test -e /mnt/upper/file`

const linkScript = `
ip link add probe0 type bridge
ip link add probe1 type veth peer name probe2
ip link set probe1 master probe0`

/** Runs a script in namespaces of its own, which end with it and take with them what it made. */
async function inNamespaces({ sys }: Context, script: string): Promise<ExecResult> {
  const spaces = ['--mount', '--pid', '--fork', '--net', '--ipc', '--uts', '--kill-child']
  return sys.exec.run('unshare', [...spaces, 'sh', '-euc', script], {
    timeoutMs: probeMs,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  })
}

async function asRoot(context: Context, script: string, hint: string): Promise<Finding> {
  const needs = cannotTell(context)
  if (needs !== undefined) return needs
  const { exitCode, stderr } = await inNamespaces(context, script)
  return exitCode === 0 ? { is: 'good', found: 'tried' } : { is: 'missing', found: firstLine(stderr), hint }
}

function cannotTell({ user, folders }: Context): Finding | undefined {
  if (user === 0) return undefined
  return {
    is: 'unknown',
    found: 'only root can try it',
    hint: `sudo ASHLAR_DATA=${folders.data} ashlar doctor`,
  }
}

/** A file of zeros is no image: a kernel that knows the format says so, one that does not says that instead. */
async function lookForErofs(context: Context): Promise<Finding> {
  const needs = cannotTell(context)
  if (needs !== undefined) return needs
  const script =
    'mount -t tmpfs tmpfs /mnt; truncate --size=1M /mnt/image; mkdir /mnt/at; mount -t erofs -o loop,ro /mnt/image /mnt/at'
  const { stderr } = await inNamespaces(context, script)
  if (/wrong fs type|bad superblock|can't read superblock/.test(stderr)) return { is: 'good', found: 'tried' }
  const module = /loop/.test(stderr) ? 'loop' : 'erofs'
  return { is: 'missing', found: firstLine(stderr), hint: `modprobe ${module}` }
}

async function lookForShippedFiles({ sys }: Context): Promise<Finding> {
  try {
    const { agent, node } = await shippedFiles(sys)
    return { is: 'good', found: `agent ${agent.version}, Node ${node.version}` }
  } catch (error) {
    return foundWanting(error)
  }
}

/** Where no definition says otherwise: what `ashlar init` begins with, from where this host's own apt has it. */
const baseDefault: Definition['spec']['base'] = { debian: 'bookworm' }

async function lookForMirror(
  archive: 'debian' | 'debian-security',
  { sys, environment }: Context,
  definition: Definition | undefined,
): Promise<Finding> {
  const startedMs = sys.clock.monotonicMs()
  const base = definition?.spec.base ?? baseDefault
  const pocket = await probeMirror(sys, base, archive, environment.TMPDIR ?? '/tmp')
  const seconds = (sys.clock.monotonicMs() - startedMs) / 1_000
  return { is: 'good', found: `has ${pocket}, and answered in ${seconds.toFixed(1)} s` }
}

async function lookForSpace({ sys, folders }: Context): Promise<Finding> {
  const there = await nearestFolder(folders.data, (path) => sys.disk.access(path))
  const { bavail, bsize } = await sys.disk.statfs(there)
  const free = bavail * bsize
  const found = `${(free / 1e9).toFixed(1)} GB free in ${there}`
  if (free >= diskBytesMin) return { is: 'good', found }
  const hint = 'make space, or name a larger disk with ASHLAR_DATA; see what is where: df -h'
  return { is: 'missing', found: `${found}, and ${diskBytesMin / 1e9} GB are meant to be there`, hint }
}

async function nearestFolder(path: string, access: (path: string) => Promise<void>): Promise<string> {
  for (let at = path; at !== dirname(at); at = dirname(at))
    if (
      await access(at).then(
        () => true,
        () => false,
      )
    )
      return at
  return '/'
}

/** The clock cannot be before the hour in which this Ashlar was put here; tokens, orders and certificates live by it. */
async function lookAtClock({ sys }: Context): Promise<Finding> {
  const now = sys.clock.now()
  const found = new Date(now).toISOString()
  const { mtimeMs } = await sys.disk.stat(join(import.meta.dirname, '.'))
  if (now >= mtimeMs - 3_600_000) return { is: 'good', found }
  return {
    is: 'missing',
    found: `${found}, before this Ashlar was installed`,
    hint: 'timedatectl set-ntp true',
  }
}

async function lookForServer(context: Context): Promise<Finding> {
  try {
    const { login, client } = await openSession({ ...context, sys: impatient(context.sys) })
    await client.list('Node')
    return { is: 'good', found: `logged in at ${login.url}` }
  } catch (error) {
    return foundWanting(error)
  }
}

/** Who asks only whether a server is there does not wait for one that is silent as long as a command would. */
function impatient(sys: Sys): Sys {
  const request: Sys['net']['request'] = (options) => sys.net.request({ ...options, idleTimeoutMs: serverMs })
  return { ...sys, net: { ...sys.net, request } }
}

/** What a command would say of it is what was found; a fault of Ashlar's own stays one. */
export function foundWanting(error: unknown): Finding {
  const { code, message, hint } = toFailure(error)
  if (code === 'internal') throw error
  return { is: 'missing', found: message, ...(hint !== undefined && { hint }) }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? ''
}
