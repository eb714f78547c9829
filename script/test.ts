import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Failure, lastLines, printFailures } from './failures.ts'
import type { TestReport } from './test-reporter.ts'

/** One part of the test run and the seconds that it is meant to stay within on two cores. */
interface Part {
  readonly name: string
  readonly budgetSeconds: number
  readonly run: () => TestReport
}

const root = resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'ashlar-test-'))

/** Budgets of the system tests; a file that has none gets the default. */
const systemBudgets: Readonly<Record<string, number>> = {
  'reproducible.test.ts': 420,
  'offline-build.test.ts': 240,
  'faults-disk-full.test.ts': 120,
  'faults-stopped.test.ts': 180,
  'server-kill.test.ts': 120,
  'command-kill.test.ts': 60,
  'machines.test.ts': 300,
  'machine-kill.test.ts': 150,
  'oversized.test.ts': 20,
  'clock.test.ts': 20,
  'serve-process.test.ts': 30,
  'disk-full-node.test.ts': 30,
  'disk-full-server.test.ts': 20,
  'adopt.test.ts': 300,
  'demo.test.ts': 420,
  'trixie.test.ts': 240,
  'docs.test.ts': 360,
  'readme.test.ts': 240,
  'containerfile.test.ts': 90,
  'pack.test.ts': 90,
  'completion.test.ts': 90,
}
const systemBudgetDefault = 120

const parts: readonly Part[] = [
  {
    name: 'lint',
    budgetSeconds: 10,
    run: () => command('node_modules/.bin/biome', ['check', '--error-on-warnings', '.']),
  },
  { name: 'types', budgetSeconds: 20, run: () => command('node_modules/.bin/tsc', []) },
  { name: 'unit', budgetSeconds: 300, run: () => vitest('unit', []) },
  {
    name: 'fuzz',
    budgetSeconds: 60,
    run: () => command('bin/node', ['test/fuzz/main.ts', '--minutes', '0.4']),
  },
  ...readdirSync(join(root, 'test/system'))
    .filter((file) => file.endsWith('.test.ts'))
    .toSorted()
    .map((file) => ({
      name: file.replace('.test.ts', ''),
      budgetSeconds: systemBudgets[file] ?? systemBudgetDefault,
      run: () => vitest('system', [`test/system/${file}`]),
    })),
]

/** A program whose exit code is the verdict. */
function command(program: string, args: readonly string[]): TestReport {
  const file = join(scratch, 'output')
  const output = openSync(file, 'w')
  const { status } = spawnSync(program, args, { cwd: root, stdio: ['ignore', output, output] })
  closeSync(output)
  const text = readFileSync(file, 'utf8')
  process.stdout.write(text)
  if (status === 0) return { passed: 1, failures: [] }
  return { passed: 0, failures: [{ name: [program, ...args].join(' '), text: lastLines(text) }] }
}

function vitest(project: string, files: readonly string[]): TestReport {
  const file = join(scratch, 'report.json')
  rmSync(file, { force: true })
  const args = ['bin/node', 'node_modules/vitest/vitest.mjs', 'run', '--project', project, ...files]
  const reporters = ['--reporter=dot', '--reporter=./script/test-reporter.ts']
  const env = { ...process.env, ASHLAR_TEST_REPORT: file }
  const { status } = spawnSync('sh', [...args, ...reporters], { cwd: root, env, stdio: 'inherit' })
  const report: TestReport = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as TestReport)
    : { passed: 0, failures: [] }
  if (status === 0 || report.failures.length > 0) return report
  // A run that broke without a failed test (it was killed, or there is no test) is a failure all the same.
  return { ...report, failures: [{ name: 'vitest', text: `ended with ${status}: its output says why` }] }
}

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !parts.some((part) => part.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `test: no part ${unknown.join(', ')}; there are ${parts.map((part) => part.name).join(', ')}\n`,
  )
  process.exit(64)
}

const rows: string[] = []
const failures: (Failure & { readonly part: string })[] = []
let passed = 0
let seconds = 0
for (const part of parts.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  process.stdout.write(`\n== ${part.name} (budget ${part.budgetSeconds} s)\n`)
  const startedMs = performance.now()
  const outcome = part.run()
  const tookSeconds = (performance.now() - startedMs) / 1_000
  passed += outcome.passed
  failures.push(...outcome.failures.map((failure) => ({ part: part.name, ...failure })))
  seconds += tookSeconds
  const over = tookSeconds > part.budgetSeconds ? '  over budget' : ''
  rows.push(
    `${part.name.padEnd(20)} ${tookSeconds.toFixed(1).padStart(7)} s of ${String(part.budgetSeconds).padStart(4)} s  ${outcome.passed} passed, ${outcome.failures.length} failed${over}`,
  )
}
rmSync(scratch, { recursive: true, force: true })
process.stdout.write(`\n${rows.join('\n')}\n${'in all'.padEnd(20)} ${seconds.toFixed(1).padStart(7)} s\n`)
process.stdout.write(printFailures(failures))
process.stdout.write(`${passed} passed, ${failures.length} failed\n`)
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1
