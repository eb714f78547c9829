import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { realSys } from '../sys/index.ts'
import { commandFixture } from './command-fixture.ts'
import { manPages } from './man-page.ts'
import { createProgram } from './program.ts'

const program = await createProgram(commandFixture(realSys, '/nonexistent').context, () => undefined)
const pages = manPages(program, '2026-01-02')

describe('man pages', () => {
  test('there is one for each command and each group', () => {
    const files = pages.map(({ file }) => file)
    expect(files).toEqual(expect.arrayContaining(['ashlar.1', 'ashlar-machine.1', 'ashlar-machine-start.1']))
    expect(new Set(files).size).toBe(files.length)
    // npm puts into man's path what the manifest names, one by one; script/bundle keeps the list.
    expect(manifest.man).toEqual(files.map((file) => `dist/man/${file}`).toSorted())
  })

  test.each([
    ['mandoc', ['-Tlint', '-Wwarning'], 0],
    ['man', ['--warnings', '--encoding=UTF-8', '--local-file', '-'], 0],
  ])('%s has nothing to say against any', (judge, args, status) => {
    for (const { file, text } of pages) {
      const ran = spawnSync(judge, args, {
        input: text,
        encoding: 'utf8',
        env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '80' },
      })
      expect([file, ran.status, judge === 'man' ? '' : ran.stdout, ran.stderr]).toEqual([
        file,
        status,
        '',
        '',
      ])
    }
  })

  test('a page says what the help says', () => {
    const page = pages.find(({ file }) => file === 'ashlar-machine-rm.1')?.text ?? ''
    const read = spawnSync('man', ['--local-file', '-'], {
      input: page,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '78' },
    })
    for (const words of [
      'ashlar machine rm [options] <machine>',
      '--yes',
      '$ ashlar machine rm node-1',
      'ashlar-machine-stop(1)',
    ])
      expect(read.stdout.replaceAll('‐', '-')).toContain(words)
  })
})
