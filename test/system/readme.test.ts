import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { clearAfter, patternOf, readPage, root, Shell, tourData } from './pages.ts'

describe('the tour of the README', () => {
  const tour = readPage('README.md').steps
  const shell = new Shell(root)
  afterAll(async () => {
    await clearAfter(shell, tourData)
    rmSync(join(root, 'web'), { recursive: true, force: true })
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
