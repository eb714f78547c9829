import { join, resolve } from 'node:path'
import { definitionJsonSchema } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { CliError } from './context.ts'

/** `ashlar init`: a definition that builds, and the folders that it speaks of. */
export function addInit({ command, act }: Registrar): void {
  command({
    usage: 'init [folder]',
    summary: 'write a definition that builds into a new or empty folder',
    about:
      'Everything begins with a definition: ashlar.yaml says which Debian, which packages, files, services and health checks an image has. This writes one that builds, with the schema that editors complete it from. On a terminal it asks for what was not given; --yes takes the defaults, as it does where nobody can answer.',
    examples: ['init web', 'init web --form container --yes'],
    see: ['schema', 'key new', 'lock'],
  })
    .option('--name <name>', 'name of the image (default: the folder’s name)')
    .option('--form <form>', 'system (boots on a node) or container', 'system')
    .action(
      act<{ name?: string; form: string }>(async ({ sys }, [given], options) => {
        const folder = resolve(given ?? '.')
        const name = options.name ?? imageNameOf(folder)
        if (options.form !== 'system' && options.form !== 'container')
          throw new CliError('usage', `no form ${JSON.stringify(options.form)}`, {
            hint: 'use --form system or --form container',
          })
        const files = filesOf(name, options.form)
        await sys.disk.mkdir(folder, { recursive: true })
        const there = await sys.disk.readdir(folder)
        const clash = Object.keys(files).find((path) => there.includes(path.split('/')[0] ?? path))
        if (clash !== undefined)
          throw new CliError('file-exists', `${join(folder, clash)} would be overwritten`, {
            hint: 'name an empty folder',
          })
        for (const [path, text] of Object.entries(files)) {
          await sys.disk.mkdir(join(folder, path, '..'), { recursive: true })
          await sys.disk.writeFile(join(folder, path), text, { mode: path.includes('/bin/') ? 0o755 : 0o644 })
        }
        const next = [
          ...(options.form === 'system'
            ? [
                `ashlar key new ${join(folder, 'keys/release')}`,
                `ashlar key new ${join(folder, 'keys/director')}`,
              ]
            : []),
          `ashlar lock ${folder}`,
          `ashlar build ${folder}`,
        ]
        return {
          json: { folder, files: Object.keys(files), next },
          text: [
            `wrote ${Object.keys(files).join(', ')} into ${folder}`,
            'next:',
            ...next.map((line) => `  ${line}`),
          ].join('\n'),
        }
      }),
    )
}

function imageNameOf(folder: string): string {
  const name = (folder.split('/').at(-1) ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'image' : name.slice(0, 63)
}

function filesOf(name: string, form: 'system' | 'container'): Record<string, string> {
  const head = `# yaml-language-server: $schema=ashlar.schema.json
apiVersion: ashlar/v1
kind: Image
metadata:
  name: ${name}
  version: 0.1.0
spec:
`
  const common = {
    'ashlar.schema.json': `${JSON.stringify(definitionJsonSchema(), null, 2)}\n`,
    '.gitignore': '# Private keys never go into git.\n*.key\n',
  }
  if (form === 'container')
    return {
      ...common,
      'ashlar.yaml': `${head}  form: container
  base: { debian: bookworm }
  files:
    - { from: rootfs/, to: / }
  run:
    command: [/usr/bin/${name}]
`,
      [`rootfs/usr/bin/${name}`]: `#!/bin/sh\necho "hello from ${name}"\n`,
    }
  return {
    ...common,
    'ashlar.yaml': `${head}  base: { debian: bookworm }
  packages: [nginx-light]
  files:
    - { from: rootfs/, to: / }
  services: [nginx]
  health:
    - { name: web, http: "http://localhost/", within: 30s }
  trust:
    release: { keys: [keys/release.pub] }
    director: { keys: [keys/director.pub] }
`,
    [`rootfs/usr/share/${name}/README`]: `Files below rootfs/ are laid over the packages of ${name}.\n`,
  }
}
