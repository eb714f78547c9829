// Tries the readers of bytes from outside with inputs that nobody would send. See script/fuzz.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runFuzz } from './run.ts'
import { tryInput } from './target.ts'
import { targets } from './targets.ts'
import type { FuzzReport } from './worker.ts'

const usage = `script/fuzz [TARGET…] [--minutes 60] [--seed NUMBER]    tries the targets, all in turn
script/fuzz TARGET --replay FILE                        tries one input again
script/fuzz --list                                      names the targets
`
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ minutes: { type: 'string', default: '60' }, seed: { type: 'string' }, replay: { type: 'string' } },
    ...{ list: { type: 'boolean' }, help: { type: 'boolean' } },
  },
})
const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const unknown = positionals.filter((name) => !chosen.some((target) => target.name === name))
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)

if (values.help) process.stdout.write(usage)
else if (values.list) process.stdout.write(targets.map(({ name }) => `${name}\n`).join(''))
else if (unknown.length > 0 || !(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write(
    `fuzz: ${unknown.length > 0 ? `no target ${unknown.join(', ')}` : 'wrong number'}\n${usage}`,
  )
  process.exitCode = 64
} else if (values.replay !== undefined) await replay(values.replay)
else await fuzz()

async function replay(file: string): Promise<void> {
  const input = readFileSync(file)
  for (const target of chosen) process.stdout.write(`${target.name}: ${await tryInput(target, input)}\n`)
}

async function fuzz(): Promise<void> {
  const secondsEach = (minutes * 60) / chosen.length
  process.stdout.write(`seed ${seed}, ${chosen.length} targets, ${secondsEach.toFixed(1)} s each\n`)
  const reports = await runFuzz({
    ...{ module: resolve(import.meta.dirname, 'targets.ts'), names: chosen.map(({ name }) => name) },
    // Reading what was covered takes some time; in a second there is nothing to gain from it.
    ...{ secondsEach, seed, coverage: secondsEach >= 5, hangMs: 10_000, shortenMs: 3_000, onReport: show },
  })
  const sum = (of: (report: FuzzReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const found = sum(({ findings }) => findings.length)
  process.stdout.write(`${sum(({ runs }) => runs)} inputs, ${found} findings, seed ${seed}\n`)
  process.exitCode = found === 0 ? 0 : 1
}

function show({ name, seconds, runs, accepted, kept, findings }: FuzzReport): void {
  const rate = Math.round(runs / seconds)
  process.stdout.write(
    `${name.padEnd(22)} ${String(rate).padStart(7)}/s ${String(runs).padStart(9)} inputs, ${((100 * accepted) / Math.max(1, runs)).toFixed(0)} % accepted, ${kept} kept, ${findings.length} findings\n`,
  )
  for (const { error, input } of findings) {
    const folder = resolve(import.meta.dirname, '../../.ashlar/fuzz', name)
    mkdirSync(folder, { recursive: true })
    const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 12))
    writeFileSync(file, input)
    writeFileSync(`${file}.txt`, `seed ${seed}\n${error}\n`)
    const lines = error.split('\n').slice(0, 4).join('\n    ')
    process.stdout.write(
      `    ${lines}\n    ${input.length} bytes; again: script/fuzz ${name} --replay ${file}\n`,
    )
  }
}
