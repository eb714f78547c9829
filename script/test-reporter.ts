import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node'
import { describeError, type Failure, type ShownError } from './failures.ts'

/** What a run of vitest came to. */
export interface TestReport {
  readonly passed: number
  readonly failures: readonly Failure[]
}

/**
 * Writes a `TestReport` to the file that `ASHLAR_TEST_REPORT` names. Vitest's JSON report would not do: it has neither
 * differences nor causes, and no word of what failed outside of a test.
 */
export default class TestReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly ShownError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()])
    const report: TestReport = {
      passed: tests.filter((test) => test.result().state === 'passed').length,
      failures: [
        ...suites.map((suite) => failure(nameOf(suite), suite.errors())),
        ...tests.map((test) => failure(nameOf(test), test.result().errors)),
        ...unhandled.map((error) => failure('outside of every test', [error])),
      ].flat(),
    }
    writeFileSync(process.env.ASHLAR_TEST_REPORT ?? '', JSON.stringify(report))
  }
}

function nameOf(of: TestModule | TestSuite | TestCase): string {
  return of.type === 'module' ? of.relativeModuleId : `${of.module.relativeModuleId} > ${of.fullName}`
}

function failure(name: string, errors: readonly ShownError[] = []): readonly Failure[] {
  return errors.length === 0 ? [] : [{ name, text: errors.map((error) => describeError(error)).join('\n') }]
}
