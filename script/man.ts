import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { foldersOf } from '../src/cli/index.ts'
import { manPages } from '../src/cli/man-page.ts'
import { createProgram } from '../src/cli/program.ts'
import { createTerminal } from '../src/cli/terminal.ts'
import { noProgress } from '../src/core/index.ts'
import { realSys } from '../src/sys/index.ts'

/** Writes a man page for each command into a folder of its own. */
export async function writeManPages(root: string, folder: string): Promise<number> {
  // A page bears the date of the commit, so that the same commit gives the same page.
  const date = execFileSync('git', ['log', '-1', '--format=%cs'], { cwd: root, encoding: 'utf8' }).trim()
  const terminal = createTerminal({ out: process.stdout, err: process.stderr }, realSys.clock, {})
  const context = {
    ...{ sys: realSys, environment: {}, terminal, progress: noProgress, folders: foldersOf({}), user: -1 },
    ask: undefined,
    signal: new AbortController().signal,
  }
  const pages = manPages(await createProgram(context, () => undefined), date)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { file, text } of pages) writeFileSync(join(folder, file), text)
  return pages.length
}
