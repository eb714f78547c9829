import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

// Runs the commands of a page of Markdown as a reader would, and compares what they print with what the page shows.

export const root = resolve(import.meta.dirname, '../..')
/** Store and cache of the README and the tutorial, which build the same. */
export const tourData = join(root, '.ashlar/tour')

/** A command of a page, with the lines that stand below it as its output. */
export interface Step {
  readonly command: string
  readonly output: readonly string[]
}

export interface Page {
  readonly path: string
  /** Blocks of `console`, in order. */
  readonly steps: readonly Step[]
  /** Blocks of `console elsewhere`: commands that no test can run here. */
  readonly elsewhere: readonly Step[]
  /** What stands behind the fence of every other block. */
  readonly otherBlocks: readonly string[]
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8')
  const blocks = [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, kind = '', body = '']) => ({
    kind,
    body,
  }))
  const stepsOf = (wanted: string) =>
    blocks.filter(({ kind }) => kind === wanted).flatMap(({ body }) => stepsIn(body))
  return {
    path,
    steps: stepsOf('console'),
    elsewhere: stepsOf('console elsewhere'),
    otherBlocks: blocks.map(({ kind }) => kind).filter((kind) => !kind.startsWith('console')),
  }
}

/** `$ ` begins a command, `> ` goes on with it as a shell's second prompt does; the rest is output. */
function stepsIn(block: string): readonly Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [first = '', ...lines] = text.trimEnd().split('\n')
      const more = lines.findIndex((line) => !line.startsWith('> '))
      const end = more === -1 ? lines.length : more
      const rest = lines.slice(0, end).map((line) => line.slice('> '.length))
      return { command: [first, ...rest].join('\n'), output: lines.slice(end) }
    })
}

/**
 * A line of output as a pattern: a digest stands for any, whole or short, a commit too, a number for any number, two and
 * more blanks for as many as a column takes, and … for anything.
 */
export function patternOf(line: string): RegExp {
  const parts = line.split(/(sha256:[0-9a-f]+|\b(?:[0-9a-f]{40}|[0-9a-f]{12})\b|\d+(?:\.\d+)*| {2,}|…)/)
  const source = parts.map((part, index) => {
    if (index % 2 === 0) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    if (part.startsWith('sha256:')) return 'sha256:[0-9a-f]+'
    if (/^[0-9a-f]{12,}$/.test(part)) return `[0-9a-f]{${part.length}}`
    if (part.startsWith(' ')) return ' {2,}'
    return part === '…' ? '.*' : String.raw`\d+(\.\d+)*`
  })
  return new RegExp(`^${source.join('')}$`, 'm')
}

/** One shell for a whole page, as a reader has one terminal. */
export class Shell {
  readonly #process
  #text = ''
  #heard: () => void = () => undefined

  constructor(folder: string, environment: Readonly<Record<string, string>> = {}) {
    this.#process = spawn('bash', ['--norc'], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.#text += chunk.toString()
        this.#heard()
      })
  }

  /** Types a command and returns its exit code; for one that stays, 0 as soon as it says that it serves, or 1 when it says why not. */
  async run(command: string): Promise<{ exitCode: number; text: string }> {
    this.#text = ''
    const stays = command.endsWith('&')
    this.#process.stdin.write(`${command}\n${stays ? '' : 'echo "<exit $?>"\n'}`)
    const pattern = stays ? /serving at|^error: /m : /<exit (\d+)>/
    const found = await new Promise<RegExpExecArray>((resolveFound) => {
      this.#heard = () => {
        const match = pattern.exec(this.#text)
        if (match !== null) resolveFound(match)
      }
      this.#heard()
    })
    return { exitCode: Number(stays ? found[0] !== 'serving at' : found[1]), text: this.#text }
  }

  /** Ends the shell and what it left running. */
  close(): void {
    if (this.#process.pid !== undefined) process.kill(-this.#process.pid, 'SIGTERM')
  }
}

/** What the shell of a page finds around it: the command, and a store that it may share with others. */
export function surroundings(data: string): Readonly<Record<string, string>> {
  return { PATH: `${join(root, 'bin')}:${process.env.PATH}`, ASHLAR_DATA: data }
}

/** Ends a page and what it left in its data folder: machines, the server's state, releases. Packages and cache stay for the next one. */
export async function clearAfter(shell: Shell, data: string): Promise<void> {
  shell.close()
  // The page's own may hang in a command, or have another data folder by now.
  const cleaner = new Shell(root, surroundings(data))
  for (const name of namesIn(join(data, 'machines'))) await cleaner.run(`ashlar machine rm ${name} --yes`)
  cleaner.close()
  for (const name of ['server', 'login.json', 'builds', 'store/repositories'])
    rmSync(join(data, name), { recursive: true, force: true })
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
