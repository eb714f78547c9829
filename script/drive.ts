import { spawn, spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'

// How the demo, the bench and the tests drive `bin/ashlar`: as a person would, with --json.

export const root = resolve(import.meta.dirname, '..')

export interface Ran<T> {
  readonly exitCode: number
  readonly value: T
  readonly error?: { readonly code: string; readonly message: string }
}

export interface Serving {
  readonly url: string
  readonly fingerprint?: string
  readonly adminToken?: string
  readonly stop: () => Promise<void>
}

export interface Driver {
  /** Runs a command, whatever it comes to. */
  readonly attempt: <T>(...args: string[]) => Ran<T>
  /** Runs a command and wants it to succeed. */
  readonly ashlar: <T>(...args: string[]) => T
  /** Starts a server and returns when it listens. */
  readonly serve: (...args: string[]) => Promise<Serving>
}

/** `say` hears each command line; `quiet` keeps the commands' own progress off the terminal; `program` is a clone's own unless given. */
export function drive(options: {
  readonly data: string
  readonly program?: string
  readonly say: (line: string) => void
  readonly quiet: boolean
}): Driver {
  const { program = join(root, 'bin/ashlar') } = options
  const env = { ...process.env, ASHLAR_DATA: options.data }

  function attempt<T>(...args: string[]): Ran<T> {
    options.say(`  $ ashlar ${args.join(' ')}`)
    // What stands behind -- belongs to another program.
    const own = args.includes('--') ? args.indexOf('--') : args.length
    const ran = spawnSync(program, args.toSpliced(own, 0, '--json'), {
      env,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', options.quiet ? 'pipe' : 'inherit'],
    })
    let value: { error?: { code: string; message: string } }
    try {
      value = JSON.parse(ran.stdout)
    } catch {
      throw new Error(
        `ashlar ${args[0]} printed no JSON (exit code ${ran.status}): ${ran.stdout.slice(0, 500)}${ran.stderr ?? ''}`,
      )
    }
    return {
      exitCode: ran.status ?? -1,
      value: value as T,
      ...(value.error !== undefined && { error: value.error }),
    }
  }

  function ashlar<T>(...args: string[]): T {
    const ran = attempt<T>(...args)
    if (ran.exitCode === 0) return ran.value
    throw new Error(
      `ashlar ${args.slice(0, 2).join(' ')}: ${ran.error?.message ?? JSON.stringify(ran.value)}`,
    )
  }

  async function serve(...args: string[]): Promise<Serving> {
    options.say(`  $ ashlar serve ${args.join(' ')} &`)
    const child = spawn(program, ['serve', ...args, '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<void>((resolveEnd) => child.once('exit', () => resolveEnd()))
    const first = await new Promise<string>((resolveFirst, reject) => {
      let text = ''
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (text.includes('\n')) resolveFirst(text.slice(0, text.indexOf('\n')))
      })
      child.once('exit', (code) => reject(new Error(`ashlar serve ended with ${code}`)))
    })
    const stop = async () => {
      child.kill('SIGTERM')
      await ended
    }
    return { ...(JSON.parse(first) as { url: string }), stop }
  }

  return { attempt, ashlar, serve }
}
