import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { node, repository } from '../build/fixture.ts'

export interface Ended {
  /** Null where a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly data: string
  readonly environment?: Readonly<Record<string, string>>
  /** Stands where the host keeps the keys of Debian, in a mount name space of the command's own. */
  readonly keyring?: string
  /** The process gets the signal when the command has done so many steps. */
  readonly stop?: { readonly at: number; readonly signal: NodeJS.Signals }
  /** Before the first step that matches, the disk of `data` is filled. */
  readonly fillAt?: RegExp
  /** File that is to get every step. */
  readonly list?: string
}

const keyringScript = 'mount --bind "$1" /usr/share/keyrings/debian-archive-keyring.gpg; shift; exec "$@"'

/** Runs `ashlar` as a process of its own, from its sources, with what it does counted. */
export function runCommand(words: readonly string[], options: CommandOptions): Promise<Ended> {
  const { data, environment, keyring, stop, fillAt, list } = options
  const counted = ['--import', join(import.meta.dirname, 'stop-at.ts')]
  const command = [node, ...counted, join(repository, 'src/cli/main.ts'), ...words]
  const [program = '', ...args] =
    keyring === undefined
      ? command
      : ['unshare', '--mount', 'sh', '-euc', keyringScript, 'sh', keyring, ...command]
  const child = spawn(program, args, {
    env: {
      ...{ PATH: process.env.PATH, HOME: '/root', ASHLAR_DATA: data, NO_COLOR: '1' },
      ...(stop !== undefined && { ASHLAR_STOP_AT: String(stop.at), ASHLAR_STOP_WITH: stop.signal }),
      ...(fillAt !== undefined && { ASHLAR_FILL_AT: fillAt.source }),
      ...(list !== undefined && { ASHLAR_STOP_LIST: list }),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (written.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    // Not `close`: what outlives the command must not make the test wait for it.
    child.once('exit', (exitCode, signal) => setImmediate(() => resolve({ exitCode, signal, ...written })))
  })
}
