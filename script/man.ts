import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manPages } from '../src/cli/man-page.ts'
import { wholeProgram } from './program.ts'

/** Writes a man page for each command into a folder of its own. */
export async function writeManPages(root: string, folder: string): Promise<number> {
  // A page bears the date of the commit, so that the same commit gives the same page.
  const date = execFileSync('git', ['log', '-1', '--format=%cs'], { cwd: root, encoding: 'utf8' }).trim()
  const pages = manPages(await wholeProgram(), date)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { file, text } of pages) writeFileSync(join(folder, file), text)
  nameInManifest(
    root,
    pages.map(({ file }) => `dist/man/${file}`),
  )
  return pages.length
}

/** npm puts into man's path what the manifest names, one by one: whoever adds a command finds its page added here. */
function nameInManifest(root: string, files: readonly string[]): void {
  const path = join(root, 'package.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  const text = `${JSON.stringify({ ...manifest, man: files.toSorted() }, null, 2)}\n`
  if (text !== readFileSync(path, 'utf8')) writeFileSync(path, text)
}
