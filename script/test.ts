import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** One part of the test run and the seconds that it is meant to stay within on two cores. */
interface Part {
  readonly name: string
  readonly budgetSeconds: number
  readonly run: () => Count
}

interface Count {
  readonly passed: number
  readonly failed: number
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
  'machines.test.ts': 240,
  'machine-kill.test.ts': 120,
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
  { name: 'unit', budgetSeconds: 150, run: () => vitest('unit', []) },
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
function command(program: string, args: readonly string[]): Count {
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

function vitest(project: string, files: readonly string[]): Count {
  const report = join(scratch, 'report.json')
  rmSync(report, { force: true })
  const args = ['bin/node', 'node_modules/vitest/vitest.mjs', 'run', '--project', project, ...files]
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`]
  const { status } = spawnSync('sh', [...args, ...reporters], { cwd: root, stdio: 'inherit' })
  const counts = readReport(report)
  // A run that broke without a failed test (a syntax error, no test found) is a failure all the same.
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

function readReport(file: string): Count {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as {
      numPassedTests: number
      numFailedTests: number
    }
    return { passed: report.numPassedTests, failed: report.numFailedTests }
  } catch {
    return { passed: 0, failed: 1 }
  }
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
let passed = 0
let failed = 0
let seconds = 0
for (const part of parts.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  process.stdout.write(`\n== ${part.name} (budget ${part.budgetSeconds} s)\n`)
  const startedMs = performance.now()
  const count = part.run()
  const tookSeconds = (performance.now() - startedMs) / 1_000
  passed += count.passed
  failed += count.failed
  seconds += tookSeconds
  const over = tookSeconds > part.budgetSeconds ? '  over budget' : ''
  rows.push(
    `${part.name.padEnd(20)} ${tookSeconds.toFixed(1).padStart(7)} s of ${String(part.budgetSeconds).padStart(4)} s  ${count.passed} passed, ${count.failed} failed${over}`,
  )
}
rmSync(scratch, { recursive: true, force: true })
process.stdout.write(`\n${rows.join('\n')}\n${'in all'.padEnd(20)} ${seconds.toFixed(1).padStart(7)} s\n`)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
