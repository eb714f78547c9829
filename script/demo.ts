import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drive, root, type Serving } from './drive.ts'

// The demo drives `bin/ashlar` as a person would, and looks at what came of it. No step exists for it alone.

const json = process.argv.includes('--json')
/** Kept between runs: packages, unpacked trees, keys. The rest is made anew each time. */
const data = process.env.ASHLAR_DEMO_DATA ?? join(root, '.ashlar/demo')
const work = join(data, 'work')
const definition = join(work, 'gateway')
const nodes = ['node-1', 'node-2', 'node-3'] as const
const fleet = 'gateways'

interface Step {
  readonly name: string
  readonly ok: boolean
  readonly seconds: number
  readonly detail: unknown
}
const steps: Step[] = []
const startedMs = performance.now()

function say(text: string): void {
  ;(json ? process.stderr : process.stdout).write(`${text}\n`)
}

/** Runs one step, times it, and goes on or ends the demo with what went wrong. */
async function step<T>(name: string, run: () => T | Promise<T>, tell: (value: T) => string): Promise<T> {
  say(`\n▸ ${name}`)
  const beganMs = performance.now()
  const seconds = () => Number(((performance.now() - beganMs) / 1_000).toFixed(1))
  try {
    const value = await run()
    const detail = tell(value)
    steps.push({ name, ok: true, seconds: seconds(), detail })
    say(`  ✓ ${detail}  (${seconds()} s)`)
    return value
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    steps.push({ name, ok: false, seconds: seconds(), detail })
    say(`  ✗ ${detail}  (${seconds()} s)`)
    throw error
  }
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`expected ${what}`)
}

const { attempt: tryAshlar, ashlar, serve } = drive({ data, say, quiet: json })

function git(...args: string[]): void {
  const identity = ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost']
  const ran = spawnSync('git', ['-C', definition, ...identity, ...args], { encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(`git ${args[0]}: ${ran.stderr}`)
}

interface Built {
  readonly digest: string
  readonly reference: string
}

/** Writes version and page (and what else changes), commits and builds; the first one's lock serves all, for none asks for other packages. */
function release(version: string, changes: Readonly<Record<string, string>> = {}, floor = '1.0.0'): Built {
  const path = join(definition, 'ashlar.yaml')
  const text = readFileSync(path, 'utf8').replace(/version: .*/, `version: ${version}`)
  writeFileSync(path, text.replace(/floor: .*/, `floor: ${floor}`))
  const page = join(definition, 'rootfs/usr/share/gateway/index.html')
  writeFileSync(page, readFileSync(page, 'utf8').replace(/gateway \d[\d.]*/, `gateway ${version}`))
  for (const [file, text] of Object.entries(changes)) writeFileSync(join(definition, file), text)
  if (!existsSync(join(definition, 'ashlar.lock'))) ashlar('lock', definition)
  git('add', '-A')
  git('commit', '-qm', `gateway ${version}`)
  return ashlar<Built>('build', definition)
}

const signed = (built: Built) =>
  ashlar('sign', built.reference, '--key', join(definition, 'keys/release.key'))
const pushed = (built: Built) => ashlar('push', built.reference)

interface RolloutAnswer {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly phase: string
    readonly reason?: { readonly code: string; readonly message: string }
    readonly nodes: Record<
      string,
      {
        readonly state: string
        readonly reason?: { readonly code: string; readonly message: string; readonly check?: string }
      }
    >
  }
}

/** Starts a rollout and waits for its end, whichever that is. */
function rollout(digest: string): RolloutAnswer {
  return tryAshlar<RolloutAnswer>('rollout', 'start', fleet, digest, '--watch', '--yes').value
}

interface NodeAnswer {
  readonly status: {
    readonly observed?: { readonly running: { readonly release: string; readonly confirmed: boolean } }
  }
}

const running = (node: string) => ashlar<NodeAnswer>('get', 'node', node).status.observed?.running.release

/** The state and the reason's code of each node that the rollout reached. */
function reasons({ status }: RolloutAnswer): string {
  return Object.entries(status.nodes)
    .map(
      ([name, { state, reason }]) =>
        `${name} ${state}${reason === undefined ? '' : ` (${reason.code}${reason.check === undefined ? '' : `: ${reason.check}`})`}`,
    )
    .join(', ')
}

/** A rollout that must be stopped at its canary, for this reason, with the other nodes never touched. */
function mustHalt(answer: RolloutAnswer, state: string, code: string, stays: string): string {
  const { phase } = answer.status
  expect(phase === 'halted', `the rollout to halt, not ${phase}`)
  const canary = answer.status.nodes[nodes[0]]
  expect(
    canary?.state === state && canary.reason?.code === code,
    `node-1 ${state} (${code}), not ${reasons(answer)}`,
  )
  for (const node of nodes) expect(running(node) === stays, `${node} to run what it ran before`)
  for (const node of nodes.slice(1))
    expect(answer.status.nodes[node]?.state === 'waiting', `${node} never touched`)
  return reasons(answer)
}

let server: Serving | undefined

async function demo(): Promise<void> {
  await step(
    'a definition in git, with keys',
    () => {
      cpSync(join(root, 'examples/gateway'), definition, { recursive: true })
      git('init', '-q', '-b', 'main')
      // The keys are part of the image: new ones each time would make each release anew.
      const keys = join(data, 'keys')
      for (const name of ['release', 'director'])
        if (!existsSync(join(keys, `${name}.key`))) ashlar('key', 'new', join(keys, name))
      cpSync(keys, join(definition, 'keys'), { recursive: true })
    },
    () => 'release key and director key made',
  )

  const first = await step(
    'lock and build gateway 1.0.0',
    () => release('1.0.0'),
    (built) => built.digest,
  )
  const second = await step(
    'build 1.1.0: one file changed',
    () => release('1.1.0'),
    (built) => built.digest,
  )
  const broken = await step(
    'build 1.2.0: its web server will not start',
    () =>
      release('1.2.0', {
        'rootfs/etc/nginx/sites-enabled/default':
          'server { listen 80 default_server; root /nowhere; no_such_directive on; }\n',
      }),
    (built) => built.digest,
  )
  const site = 'server {\n  listen 80 default_server;\n  root /usr/share/gateway;\n}\n'
  const next = await step(
    'build 1.3.0, which nobody signs yet',
    () => release('1.3.0', { 'rootfs/etc/nginx/sites-enabled/default': site }),
    (built) => built.digest,
  )
  const old = await step(
    'build 0.9.0, below the floor that 1.0.0 sets',
    () => release('0.9.0', {}, '0.9.0'),
    (built) => built.digest,
  )

  server = await step(
    'serve registry and API, where the machines can reach it',
    async () => {
      const { gateway } = ashlar<{ gateway: string }>('machine', 'network')
      return serve('--listen', `${gateway}:7443`, '--director-key', join(definition, 'keys/director.key'))
    },
    ({ url, fingerprint }) => `${url}, CA ${fingerprint?.slice(0, 19)}…`,
  )
  const { url, fingerprint, adminToken } = server
  await step(
    'log in, sign and push',
    () => {
      const tokenFile = join(work, 'token')
      writeFileSync(tokenFile, adminToken ?? '', { mode: 0o600 })
      ashlar(
        'login',
        url,
        '--token-file',
        tokenFile,
        ...(fingerprint === undefined ? [] : ['--ca-fingerprint', fingerprint]),
      )
      for (const built of [first, second, broken, old]) {
        signed(built)
        pushed(built)
      }
      pushed(next)
    },
    () => 'four releases signed and pushed, 1.3.0 pushed without a signature',
  )

  await step(
    'start three nodes on 1.0.0',
    () => {
      for (const node of nodes) {
        ashlar(
          'machine',
          'create',
          node,
          '--release',
          first.reference,
          '--trust',
          definition,
          '--label',
          'role=gateway',
        )
        ashlar('machine', 'start', node)
      }
      const path = join(work, 'fleet.yaml')
      writeFileSync(
        path,
        `apiVersion: ashlar/v1\nkind: Fleet\nmetadata: { name: ${fleet} }\nspec:\n  nodes: { matchLabels: { role: gateway } }\n  image: gateway\n  rollout: { waves: [{ count: 1 }, { percent: 100 }], deadline: 5m }\n`,
      )
      ashlar('apply', '-f', path)
      for (const node of nodes) ashlar('get', 'node', node, '--wait-for', 'confirmed')
    },
    () => 'node-1, node-2 and node-3 enrolled with keys of their own and report 1.0.0',
  )

  await step(
    'roll out 1.1.0: a canary of one, then the rest',
    () => rollout(second.digest),
    (answer) => {
      expect(
        answer.status.phase === 'succeeded',
        `the rollout to succeed, not ${answer.status.phase}: ${reasons(answer)}`,
      )
      for (const node of nodes) expect(running(node) === second.digest, `${node} to run 1.1.0`)
      return reasons(answer)
    },
  )
  await step(
    'roll out 1.2.0: the canary goes back by itself, the rollout halts',
    () => rollout(broken.digest),
    (answer) => mustHalt(answer, 'went-back', 'health-check-failed', second.digest),
  )

  await step(
    'change a running system',
    () =>
      tryAshlar<{ exitCode: number; output: string }>(
        'machine',
        'console',
        nodes[0],
        '--',
        '/bin/sh',
        '-c',
        'touch /usr/bin/backdoor /etc/passwd',
      ),
    (ran) => {
      expect(ran.exitCode !== 0, 'the write to be refused')
      expect(/read-only/i.test(ran.value.output), `"Read-only file system", not ${JSON.stringify(ran.value)}`)
      return 'refused: read-only file system'
    },
  )
  await step(
    'offer an unsigned release',
    () => rollout(next.digest),
    (answer) => mustHalt(answer, 'refused', 'signature-missing', second.digest),
  )
  await step(
    'sign it, but swap a blob in the registry',
    () => {
      signed(next)
      pushed(next)
      const { disks } = ashlar<{ disks: { amd64: { root: string } } }>('inspect', next.reference)
      const blob = join(data, 'server/store/blobs/sha256', disks.amd64.root.slice('sha256:'.length))
      // All of it: of a part that the running image has, too, a node would not ask.
      writeFileSync(blob, readFileSync(blob).fill(0x41))
      return rollout(next.digest)
    },
    (answer) => mustHalt(answer, 'refused', 'blob-digest-mismatch', second.digest),
  )
  await step(
    'offer a release below the floor',
    () => rollout(old.digest),
    (answer) => mustHalt(answer, 'refused', 'below-floor', second.digest),
  )

  await step(
    'revert the fleet to 1.0.0',
    () => ashlar<RolloutAnswer>('rollout', 'revert', fleet, first.digest, '--watch', '--yes'),
    (answer) => {
      expect(
        answer.status.phase === 'succeeded',
        `the revert to succeed, not ${answer.status.phase}: ${reasons(answer)}`,
      )
      for (const node of nodes) expect(running(node) === first.digest, `${node} to run 1.0.0`)
      return reasons(answer)
    },
  )
  await step(
    'ask why node-1 runs what it runs',
    () =>
      ashlar<{ ok: boolean; links: { what: string; value: string; is: string }[] }>(
        'why',
        nodes[0],
        '--trust',
        definition,
      ),
    (why) => {
      for (const link of why.links) say(`    ${link.is.padEnd(9)} ${link.what.padEnd(11)} ${link.value}`)
      const count = (is: string) => why.links.filter((link) => link.is === is).length
      expect(why.ok && count('broken') + count('absent') === 0, 'every link to hold')
      // What a slot or a rollout is said to be rests on a report; all else was recomputed here.
      return `${count('proved')} links proved, ${count('reported')} reported`
    },
  )
}

/** Ends what the demo started; what it built stays in the cache. */
async function cleanUp(): Promise<void> {
  for (const node of nodes)
    if (existsSync(join(data, 'machines', node))) tryAshlar('machine', 'rm', node, '--yes')
  await server?.stop()
  // A release that an earlier run signed would be found signed.
  for (const folder of ['server', 'login.json', 'builds', 'store/repositories', 'work'])
    rmSync(join(data, folder), { recursive: true, force: true })
}

async function main(): Promise<void> {
  await cleanUp()
  mkdirSync(work, { recursive: true })
  let ok = true
  try {
    await demo()
  } catch {
    ok = false
  }
  const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1))
  say(`\n${ok ? 'all of it held' : 'the demo failed'}, ${seconds} s in all`)
  if (ok && !json && process.stdin.isTTY && process.stdout.isTTY) {
    say(`\nIt is still up. Try, with ASHLAR_DATA=${data}:`)
    for (const line of [
      'get nodes',
      'machine console node-2',
      `rollout start ${fleet} <digest> --watch --yes`,
      `why node-3 --trust ${definition}`,
      'log',
    ])
      say(`  bin/ashlar ${line}`)
    say('Ctrl-C ends it and removes the machines.')
    await new Promise<void>((resolveSignal) => process.once('SIGINT', () => resolveSignal()))
  }
  await cleanUp()
  if (json) process.stdout.write(`${JSON.stringify({ ok, seconds, steps }, null, 2)}\n`)
  process.exitCode = ok ? 0 : 1
}

await main()
