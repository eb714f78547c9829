import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clearAfter, patternOf, readPage, root, Shell, surroundings, tourData } from './pages.ts'

const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md'))
  .toSorted()
  .map((path) => readPage(`docs/${path}`))
const runnable = pages.filter(({ steps }) => steps.length > 0)

/** All that the pages tell a reader to do and that is not done here; this list only shrinks. */
const elsewhere = [
  'docs/how-to/adopt.md: ashlar adopt web-1.example.org --output web',
  'docs/tutorial.md: apt-get install --yes --no-install-recommends git npm',
  'docs/tutorial.md: script/setup',
  'docs/tutorial.md: npm pack && npm install --global ./ashlar-0.1.0.tgz',
]

describe('the pages of docs/', () => {
  test('have commands, and output to compare', () => {
    const steps = runnable.flatMap((page) => page.steps)
    expect(steps.length).toBeGreaterThan(20)
    expect(steps.filter(({ output }) => output.length > 0).length).toBeGreaterThan(steps.length / 3)
  })

  test('hold no command that is not run, but for those of the list', () => {
    expect(pages.flatMap((page) => page.elsewhere.map(({ command }) => `${page.path}: ${command}`))).toEqual(
      elsewhere,
    )
    expect(pages.flatMap((page) => page.otherBlocks)).toEqual([])
  })
})

/** Whom git takes for the author: a reader has set that up. */
const reader = {
  ...{ GIT_AUTHOR_NAME: 'reader', GIT_AUTHOR_EMAIL: 'reader@localhost' },
  ...{ GIT_COMMITTER_NAME: 'reader', GIT_COMMITTER_EMAIL: 'reader@localhost' },
}

/** The tutorial takes as long as all others together: it runs beside them, in a data folder that the README uses, too. */
const tutorial = 'docs/tutorial.md'
const readings = [
  ['the tutorial', tourData, runnable.filter(({ path }) => path === tutorial)],
  ['the other pages', join(root, '.ashlar/how-to'), runnable.filter(({ path }) => path !== tutorial)],
] as const

describe.concurrent.each(readings)('a reader who types what stands in %s', (_, data, ofThese) => {
  let folder: string
  let shell: Shell
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ashlar-docs-'))
    shell = new Shell(folder, { ...surroundings(data), ...reader })
  })
  afterEach(async () => {
    await clearAfter(shell, data)
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(ofThese)('$path sees what it shows', { concurrent: false }, async ({ steps }) => {
    for (const { command, output } of steps) {
      const { exitCode, text } = await shell.run(command)
      expect(exitCode, `$ ${command}\n${text}`).toBe(0)
      for (const line of output) expect(text, `$ ${command}`).toMatch(patternOf(line))
    }
  })
})
