import { dirname, join, resolve } from 'node:path'
import { type Adoption, adopt, parseTarget } from '../adopt/index.ts'
import type { Finding } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context } from './context.ts'
import { besideDefinition } from './init-files.ts'

interface Options {
  readonly output?: string
  readonly name?: string
}

/** `ashlar adopt`: a definition of a living system, and a list of all that it does not carry over. */
export function addAdopt({ command, act }: Registrar): void {
  command({
    usage: 'adopt <host|folder>',
    summary:
      'write a definition from a living Debian system; nothing there is changed, and secrets stay there',
    about:
      'Looks at a system that runs here (a folder: /) or at a host over ssh: packages that were asked for, services, users, and files that differ from their packages. What cannot be carried over, and what a person has to decide, stands in ADOPTED.md beside the definition.',
    examples: ['adopt web-1.example.org --output web', 'adopt / --output this-host'],
    see: ['init', 'lock', 'build'],
  })
    .option('--output <folder>', 'new or empty folder for the definition (default: the image’s name)')
    .option('--name <name>', 'name of the image (default: the system’s host name)')
    .action(
      act<Options>(async (context, [given = ''], options) => {
        const { sys, progress, signal } = context
        requireName(options.name)
        const target = parseTarget(given)
        if (options.output !== undefined) await requireEmpty(context, resolve(options.output))
        const adoption = await adopt({
          ...{ sys, target, progress, signal },
          ...(options.name !== undefined && { name: options.name }),
        })
        const folder = resolve(options.output ?? adoption.summary.name)
        await requireEmpty(context, folder)
        await write(context, folder, adoption)
        const next = [
          `ashlar key new ${join(folder, 'keys/release')}`,
          `ashlar key new ${join(folder, 'keys/director')}`,
          `ashlar lock ${folder}`,
          `ashlar build ${folder}`,
        ]
        const { summary, findings } = adoption
        return { json: { folder, ...summary, findings, next }, text: textOf(folder, adoption, next) }
      }),
    )
}

function requireName(name: string | undefined): void {
  if (name === undefined || /^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return
  throw new CliError('usage', `${JSON.stringify(name)} is no name of an image`, {
    hint: 'use 1 to 63 lower-case letters, digits and dashes',
  })
}

async function requireEmpty({ sys }: Context, folder: string): Promise<void> {
  const there = await sys.disk.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (there.length > 0)
    throw new CliError('file-exists', 'this folder is not empty', {
      where: folder,
      hint: 'name a new one with --output',
    })
}

/** The folder was empty before; where it cannot be filled it is so again. */
async function write(context: Context, folder: string, adoption: Adoption): Promise<void> {
  const { disk } = context.sys
  await disk.mkdir(folder, { recursive: true })
  try {
    await fill(context, folder, adoption)
  } catch (error) {
    for (const name of await disk.readdir(folder)) await disk.rm(join(folder, name), { recursive: true })
    throw error
  }
}

async function fill({ sys }: Context, folder: string, { files }: Adoption): Promise<void> {
  for (const [path, text] of Object.entries(besideDefinition()))
    await sys.disk.writeFile(join(folder, path), text)
  for (const file of files) {
    const path = join(folder, file.path)
    await sys.disk.mkdir(dirname(path), { recursive: true })
    if ('target' in file) await sys.disk.symlink(file.target, path)
    else await sys.disk.writeFile(path, file.content, { mode: file.executable ? 0o755 : 0o644, flag: 'wx' })
  }
}

function textOf(folder: string, { summary, findings }: Adoption, next: readonly string[]): string {
  const { packages, users, services, files, health } = summary
  return [
    `wrote the definition ${summary.name} (Debian ${summary.suite}, ${summary.architecture}) into ${folder}:`,
    `  ${packages.length} packages, ${users.length} users, ${services.length} services, ${files.length} files, ${health.length} health checks`,
    `not carried over, or to be looked at (all in ${join(folder, 'ADOPTED.md')}):`,
    ...[...new Set(findings.map(({ code }) => code))].map((code) => `  ${groupLine(code, findings)}`),
    'next:',
    ...next.map((line) => `  ${line}`),
  ].join('\n')
}

/** Of one line; ADOPTED.md has it all. */
const shownMax = 100

/** `secret  4  /etc/shadow, /etc/app/token, …` */
function groupLine(code: string, findings: readonly Finding[]): string {
  const rows = findings.filter((finding) => finding.code === code)
  const shown = rows.slice(0, 3).map(({ where, message }) => where ?? message)
  const all = `${shown.join('; ')}${rows.length > 3 ? '; …' : ''}`
  const text = all.length > shownMax ? `${all.slice(0, shownMax)}…` : all
  return `${code.padEnd(22)} ${String(rows.length).padStart(4)}  ${text}`
}
