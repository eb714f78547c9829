import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
/** Each command of the console blocks, in order, with the lines that stand below it as its output. */
const tour = [...readme.matchAll(/^```console\n(.*?)^```/gms)].flatMap(([, block = '']) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => text.trimEnd().split('\n'))
    .map(([command = '', ...output]) => ({ command, output })),
)

/** A line of output as a pattern: a digest stands for any, whole or short, a commit too, a number for any number, and … for anything. */
function patternOf(line: string): RegExp {
  const parts = line.split(/(sha256:[0-9a-f]+|\b(?:[0-9a-f]{40}|[0-9a-f]{12})\b|\d+(?:\.\d+)*|…)/)
  const source = parts.map((part, index) => {
    if (index % 2 === 0) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    if (part.startsWith('sha256:')) return 'sha256:[0-9a-f]+'
    if (/^[0-9a-f]{12,}$/.test(part)) return `[0-9a-f]{${part.length}}`
    return part === '…' ? '.*' : String.raw`\d+(\.\d+)*`
  })
  return new RegExp(`^${source.join('')}$`, 'm')
}

/** One shell for the whole tour, as a reader has one terminal. */
class Shell {
  readonly #process = spawn('bash', ['--norc'], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  #text = ''
  #heard: () => void = () => undefined

  constructor() {
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.#text += chunk.toString()
        this.#heard()
      })
  }

  /** Types a command and returns its exit code, or, for one that stays, 0 as soon as it says that it serves. */
  async run(command: string): Promise<{ exitCode: number; text: string }> {
    this.#text = ''
    const stays = command.endsWith('&')
    this.#process.stdin.write(`${command}\n${stays ? '' : 'echo "<exit $?>"\n'}`)
    const pattern = stays ? /serving at/ : /<exit (\d+)>/
    const found = await new Promise<RegExpExecArray>((resolveFound) => {
      this.#heard = () => {
        const match = pattern.exec(this.#text)
        if (match !== null) resolveFound(match)
      }
      this.#heard()
    })
    return { exitCode: Number(found[1] ?? 0), text: this.#text }
  }

  /** Ends the shell and what it left running. */
  close(): void {
    if (this.#process.pid !== undefined) process.kill(-this.#process.pid, 'SIGTERM')
  }
}

describe('the tour of the README', () => {
  const shell = new Shell()
  afterAll(async () => {
    for (const name of ['node-1', 'node-2']) await shell.run(`ashlar machine rm ${name} --yes`)
    shell.close()
    for (const path of ['web', '.ashlar/tour/server', '.ashlar/tour/login.json'])
      rmSync(join(root, path), { recursive: true, force: true })
  })

  test('has commands', () => {
    expect(tour.length).toBeGreaterThan(20)
    expect(tour.filter(({ output }) => output.length > 0).length).toBeGreaterThan(8)
  })

  test.each(tour)('$command', async ({ command, output }) => {
    const { exitCode, text } = await shell.run(command)
    expect(exitCode, text).toBe(0)
    for (const line of output) expect(text).toMatch(patternOf(line))
  })
})
