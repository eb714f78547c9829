import { basename, join, resolve } from 'node:path'
import type { Registrar } from './command.ts'
import { CliError, type Context } from './context.ts'
import { type Answers, answersFor, type Given } from './init-answers.ts'
import { filesOf } from './init-files.ts'
import { makeKeyPair } from './key.ts'

interface Options extends Given {
  readonly keys: boolean
  readonly yes?: true
}

/** `ashlar init`: a definition that builds, the folders that it speaks of, and the keys that it trusts. */
export function addInit({ command, act }: Registrar): void {
  command({
    usage: 'init [folder]',
    summary: 'write a definition that builds into a new or empty folder',
    about:
      'Everything begins with a definition: ashlar.yaml says which Debian, which packages, files, services and health checks an image has. This writes one that builds, the schema that editors complete it from, and, for a system, the two keys that it trusts. On a terminal it asks for name, form and packages where they were not given; --yes takes the defaults, as it does where nobody can answer.',
    examples: ['init web', 'init web --package nginx-light --yes', 'init tool --form container --yes'],
    see: ['schema', 'key new', 'lock'],
  })
    .option('--name <image>', 'name of the image (default: the folder’s name)')
    .option('--form <form>', 'system (boots on a node) or container (default: system)')
    .option('--package <package...>', 'Debian packages that it runs (default: nginx-light in a system)')
    .option('--no-keys', 'make no keys; a system trusts keys/release.pub and keys/director.pub')
    .option('--yes', 'ask nothing')
    .action(
      act<Options>(async (context, [given], options) => {
        const folder = resolve(given ?? '.')
        const ask = options.yes === true ? undefined : context.ask
        const answers = await answersFor(ask, options, basename(folder))
        const keys = answers.form === 'system' && options.keys ? ['keys/release', 'keys/director'] : []
        const files = filesOf(answers)
        await refuseToOverwrite(context, folder, [...Object.keys(files), ...keys])
        await write(context, folder, files)
        for (const key of keys) await makeKeyPair(context, join(folder, key), 'ed25519', undefined)
        return told(folder, answers, Object.keys(files), keys)
      }),
    )
}

async function refuseToOverwrite({ sys }: Context, folder: string, paths: readonly string[]): Promise<void> {
  await sys.disk.mkdir(folder, { recursive: true })
  const there = await sys.disk.readdir(folder)
  const clash = paths.find((path) => there.includes(path.split('/')[0] ?? path))
  if (clash === undefined) return
  throw new CliError('file-exists', `${join(folder, clash)} would be overwritten`, {
    hint: 'name an empty folder',
  })
}

async function write(
  { sys }: Context,
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await sys.disk.mkdir(join(folder, path, '..'), { recursive: true })
    await sys.disk.writeFile(join(folder, path), text, { mode: path.includes('/bin/') ? 0o755 : 0o644 })
  }
}

function told(folder: string, { form }: Answers, files: readonly string[], keys: readonly string[]) {
  const unmade = form === 'system' && keys.length === 0 ? ['release', 'director'] : []
  const next = [
    ...unmade.map((key) => `ashlar key new ${join(folder, 'keys', key)}`),
    `ashlar lock ${folder}`,
    `ashlar build ${folder}`,
  ]
  const made = `made ${keys.map((key) => `${key}.key`).join(' and ')}: they sign releases and orders; keep them, and keep them out of git`
  return {
    json: { folder, files, keys, next },
    text: [
      `wrote ${files.join(', ')} into ${folder}`,
      ...(keys.length === 0 ? [] : [made]),
      'next:',
      ...next.map((line) => `  ${line}`),
    ].join('\n'),
  }
}
