import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openContentStore } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { releaseFixture, testServer } from '../testing/index.ts'
import { commandFixture, type Ran } from './command-fixture.ts'
import { manualOf } from './help.ts'
import { createProgram } from './program.ts'

const root = resolve(import.meta.dirname, '../..')
const ashlarProgram = join(root, 'bin/ashlar')
/** Of Debian's user nobody and its group: someone who owns nothing. */
const nobody = { uid: 65_534, gid: 65_534 }
/** A clone below a closed home folder is one that nobody can run. */
const nobodyMayRun = process.geteuid?.() === 0 && spawnSync(ashlarProgram, ['--version'], nobody).status === 0

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-bin-'))
  chmodSync(folder, 0o777)
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Options {
  readonly data?: string
  readonly user?: typeof nobody
  readonly environment?: Readonly<Record<string, string>>
}

function start(words: readonly string[], { data = 'data', user, environment }: Options = {}): ChildProcess {
  return spawn(ashlarProgram, words, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ASHLAR_DATA: resolve(folder, data), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Privileges are really dropped: setuid(2) in the child, before the program starts.
    ...user,
  })
}

function ended(child: ChildProcess): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (chunk: Buffer) => {
      written[name] += chunk.toString()
    })
  return new Promise((done) =>
    child.once('close', (exitCode) => done({ exitCode: exitCode ?? -1, ...written })),
  )
}

const ashlar = (words: readonly string[], options?: Options) => ended(start(words, options))

/** Every command that can be called, with the words that lead to it. */
function commandsOf(command: Command, words: readonly string[] = []): [string, Command][] {
  return command.commands.flatMap((inner): [string, Command][] => {
    const path = [...words, inner.name()]
    return inner.commands.length > 0 ? commandsOf(inner, path) : [[path.join(' '), inner]]
  })
}
const here = commandFixture(realSys, '/nonexistent').context
const commands = commandsOf(await createProgram(here, () => undefined))

function helpOf(command: Command): string {
  let help = ''
  command.configureOutput({ writeOut: (text) => (help += text) })
  command.outputHelp()
  return help
}

test.each(commands)(
  '%s --help teaches it: what, each word, examples that call it, and where to go on',
  (words, command) => {
    const help = helpOf(command)
    const [usage, summary, about = ''] = help.split('\n\n')
    expect(usage).toContain(`Usage: ashlar ${words} `.trimEnd())
    expect(summary).toMatch(/^[A-Z].*/)
    expect(about.length).toBeGreaterThan(30)
    expect(help).toContain(`\nExamples:\n  $ ashlar ${words} `.trimEnd())
    expect(help).toContain('--json')
    for (const { description } of [...command.registeredArguments, ...command.options])
      expect(description.length).toBeGreaterThan(4)
  },
)

test.each(commands)('%s: what its help points to is there', (_, command) => {
  for (const name of manualOf(command)?.see ?? []) expect(commands.map(([words]) => words)).toContain(name)
})

describe('bin/ashlar', () => {
  test('--help goes to standard output, lists commands and exit codes', async () => {
    const { exitCode, stdout, stderr } = await ashlar(['--help'])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Define and build:\n {2}init +\S/m)
    expect(stdout).toMatch(/^Exit codes:\n {2}0 {4}done$/m)
  })

  test('version says which commit of which version this is, and which Node runs it', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
    const node = process.versions.node
    const { stdout } = await ashlar(['version', '--json'])
    expect(JSON.parse(stdout)).toEqual({ version, commit, dirty: expect.any(Boolean), node })
    expect((await ashlar(['version'])).stdout).toMatch(new RegExp(`^ashlar ${version}\n {2}commit ${commit}`))
    expect((await ashlar(['--version'])).stdout).toBe(`${version}\n`)
  })

  test('--help is as wide as the terminal is, or as COLUMNS says, or 80 columns', async () => {
    const widest = async (environment: Record<string, string>) => {
      const { stdout } = await ashlar(['rollout', 'start', '--help'], { environment })
      const lines = stdout.split('\n').filter((line) => !/^Usage:|\$ ashlar/.test(line))
      return Math.max(...lines.map((line) => line.length))
    }
    for (const columns of [50, 70]) {
      const width = await widest({ COLUMNS: String(columns) })
      expect(width).toBeLessThanOrEqual(columns)
      expect(width).toBeGreaterThan(columns - 15)
    }
    expect(await widest({})).toBeLessThanOrEqual(80)
  })

  test.each([
    ['none in a file', {}, false],
    ['where it is forced', { FORCE_COLOR: '1' }, true],
    ['none where it is forced and unwanted', { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('colour: %s', async (_, environment, colour) => {
    const { stdout } = await ashlar(['--help'], { environment })
    const { stderr } = await ashlar(['inspect', 'nothing:1'], { environment })
    for (const text of [stdout, stderr]) expect(text.includes('\u001b[')).toBe(colour)
  })

  test.each([
    ['--log-format json', ['inspect', 'nothing:1', '--log-format', 'json'], {}, 'reference-unknown'],
    ['ASHLAR_LOG=json', ['inspect', 'nothing:1'], { ASHLAR_LOG: 'json' }, 'reference-unknown'],
    ['a wrong call too', ['inspect', '--log-format=json'], {}, 'usage'],
  ])('logs as JSON: %s', async (_, words, environment, code) => {
    const { stderr } = await ashlar(words, { environment })
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([expect.objectContaining({ level: 'error', code, time: expect.stringMatching(/^\d{4}-.*Z$/) })])
  })

  test('a group without a word after it shows its words, and is a wrong call', async () => {
    const { exitCode, stdout, stderr } = await ashlar(['machine'])
    expect([exitCode, stdout]).toEqual([64, ''])
    expect(stderr).toMatch(/^ {2}start +boot a machine$/m)
  })

  test.concurrent.each([
    ['a mistyped command', ['biuld'], 'ashlar', /unknown command 'biuld'; did you mean build\?/],
    ['a mistyped word of a group', ['machine', 'strat'], 'ashlar machine', /did you mean start\?/],
    ['a mistyped option', ['build', '--no-cahce'], 'ashlar build', /'--no-cahce'; did you mean --no-cache\?/],
    ['an option that is missing', ['sign', 'a:1'], 'ashlar sign', /'--key <file...>' not specified/],
    ['an argument that is missing', ['inspect'], 'ashlar inspect', /missing required argument 'reference'/],
  ])('%s: exit code 64, what was meant, and where help is', async (_, words, where, message) => {
    const { exitCode, stdout, stderr } = await ashlar([...words, '--json'])
    expect(exitCode).toBe(64)
    expect(JSON.parse(stdout)).toEqual({
      error: {
        ...{ code: 'usage', message: expect.stringMatching(message), where },
        hint: `${where} --help shows how it is called`,
      },
    })
    expect(stderr).toMatch(/^error: .*\[usage\]\n {2}at .*\n {2}mend .*--help/)
  })

  test('a token that was typed where a file is wanted is not repeated', async () => {
    const { exitCode, stderr } = await ashlar([
      'login',
      'http://127.0.0.1:1',
      '--token',
      'ashlar_admin_secret',
    ])
    expect(exitCode).toBe(64)
    expect(stderr).not.toContain('secret')
  })

  test('progress goes to standard error alone; the result is one document', async () => {
    const server = await testServer()
    const cli = commandFixture(realSys, join(folder, 'pusher'))
    await cli.login(server.url, server.adminToken)
    const store = await openContentStore(realSys, cli.context.folders.store)
    const { digest } = await releaseFixture(store.repository('gateway'), { tag: '1.0.0' })
    const { exitCode, stdout, stderr } = await ashlar(['push', 'gateway:1.0.0', '--json'], {
      data: 'pusher',
    })
    expect([exitCode, JSON.parse(stdout).digest]).toEqual([0, digest])
    expect(stderr).toMatch(/^\S.* 100 % .*MB.*s$/m)
    await server.close()
  })
})

describe.runIf(nobodyMayRun)('without root', () => {
  test.each([
    ['machine start node-1'],
    ['machine network'],
    ['machine create node-1 --release gateway@sha256:00'],
  ])('%s is refused before anything is touched', async (words) => {
    const { exitCode, stdout } = await ashlar([...words.split(' '), '--json'], { user: nobody, data: 'none' })
    expect(exitCode).toBe(77)
    expect(JSON.parse(stdout).error).toEqual({
      code: 'root-required',
      message: expect.stringContaining('needs root'),
      hint: `put this before it: sudo ASHLAR_DATA=${join(folder, 'none')}`,
    })
    expect(readdirSync(folder)).not.toContain('none')
  })

  test('what needs none works, and a folder of somebody else is named', async () => {
    expect(await ashlar(['machine', 'list'], { user: nobody, data: 'theirs' })).toMatchObject({ exitCode: 0 })
    mkdirSync(join(folder, 'mine'), { mode: 0o700 })
    const { exitCode, stderr } = await ashlar(['machine', 'list'], { user: nobody, data: 'mine' })
    expect(exitCode).toBe(77)
    expect(stderr).toMatch(
      /may not do that \[permission-denied\]\n {2}at .*mine\/machines\n {2}mend see who may: ls -ld /,
    )
  })
})

describe('a port in use', () => {
  let other: Server
  let port: number
  beforeAll(async () => {
    other = createServer()
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    port = (other.address() as AddressInfo).port
    await ashlar(['key', 'new', 'director'])
  })
  afterAll(() => new Promise((done) => other.close(done)))

  test('is named with what finds the other program; the admin token is not used up by it', async () => {
    const serve = ['serve', '--director-key', 'director.key', '--json', '--listen']
    const { exitCode, stdout } = await ashlar([...serve, `127.0.0.1:${port}`])
    expect(exitCode).toBe(69)
    expect(JSON.parse(stdout)).toEqual({
      error: {
        ...{ code: 'address-in-use', message: expect.stringContaining('another program listens') },
        ...{ where: `127.0.0.1:${port}`, hint: expect.stringContaining(`ss -ltnp 'sport = :${port}'`) },
      },
    })
    const child = start([...serve, '127.0.0.1:0'])
    const first = new Promise<string>((done) =>
      child.stdout?.once('data', (chunk: Buffer) => done(String(chunk))),
    )
    const end = ended(child)
    expect(JSON.parse(await first)).toMatchObject({ adminToken: expect.stringMatching(/^ashlar_admin_/) })
    child.kill('SIGTERM')
    expect(await end).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('an address that this host does not have, and a key that is none', async () => {
    const elsewhere = await ashlar(['serve', '--director-key', 'director.key', '--listen', '127.0.0.1:99999'])
    expect([elsewhere.exitCode, elsewhere.stderr]).toEqual([64, expect.stringContaining('host:port')])
    writeFileSync(join(folder, 'no.key'), 'hello')
    const { exitCode, stderr } = await ashlar(['serve', '--director-key', 'no.key'])
    expect(exitCode).toBe(65)
    expect(stderr).toMatch(/\[key-unreadable\]\n {2}at {3}no\.key\n {2}mend make one with: ashlar key new/)
  })
})

describe('a server that logs as JSON', () => {
  /** Throws when it is told to, where nobody catches it. */
  const bug = `--import=data:text/javascript,process.once('SIGUSR2',()=>{throw(new(Error)('a'))})`
  const linesOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  let child: ChildProcess
  beforeAll(() => ashlar(['key', 'new', 'logging']))
  afterEach(() => child.kill('SIGKILL'))

  /** What it wrote from its start until it ended by this signal, which comes as soon as it serves. */
  async function serve(data: string, words: readonly string[], signal: NodeJS.Signals = 'SIGTERM') {
    const environment = { ASHLAR_LOG: 'json', NODE_OPTIONS: bug }
    const all = ['serve', '--director-key', 'logging.key', '--listen', '127.0.0.1:0', ...words]
    child = start(all, { data, environment })
    const end = ended(child)
    await new Promise((done) => child.stderr?.once('data', done))
    child.kill(signal)
    const { exitCode, stdout, stderr } = await end
    return { exitCode, log: linesOf(stderr), results: linesOf(stdout) }
  }

  test('writes nothing else, from start to stop; the admin token is no part of the log', async () => {
    const { exitCode, log, results } = await serve('log-1', [])
    const url = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)
    const time = expect.any(String)
    expect([exitCode, log]).toEqual([
      0,
      [
        { time, level: 'info', message: expect.stringMatching(/^serving at http/), url },
        { time, level: 'info', message: 'stopped' },
      ],
    ])
    expect(results).toEqual([{ adminToken: expect.stringMatching(/^ashlar_admin_/) }])
  })

  test('says with --json what it came to, a line each', async () => {
    const { results } = await serve('log-2', ['--json'])
    expect(results).toEqual([{ url: expect.any(String), adminToken: expect.any(String) }, { stopped: true }])
  })

  test('tells a bug that nobody caught in that form, too', async () => {
    const { exitCode, log } = await serve('log-3', [], 'SIGUSR2')
    expect([exitCode, log.at(-1)]).toMatchObject([70, { level: 'error', code: 'internal' }])
  })
})
