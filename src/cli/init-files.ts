import { stringify } from 'yaml'
import { definitionJsonSchema } from '../core/index.ts'
import type { Answers } from './init-answers.ts'

/** What a package that people often begin with is started by, and how one sees that it works. */
const known: Readonly<Record<string, { readonly service: string; readonly health: string }>> = {
  'nginx-light': { service: 'nginx', health: '{ name: web, http: "http://localhost/", within: 30s }' },
  nginx: { service: 'nginx', health: '{ name: web, http: "http://localhost/", within: 30s }' },
  apache2: { service: 'apache2', health: '{ name: web, http: "http://localhost/", within: 30s }' },
  'openssh-server': { service: 'ssh', health: '{ name: ssh, tcp: "localhost:22", within: 30s }' },
}

/** The files of a new definition, by their paths in its folder. */
export function filesOf(answers: Answers): Readonly<Record<string, string>> {
  return {
    ...besideDefinition(),
    'ashlar.yaml': `${head(answers)}${answers.form === 'system' ? systemSpec(answers) : containerSpec(answers)}`,
    ...rootfs(answers),
  }
}

/** What lies beside every definition. */
export function besideDefinition(): Readonly<Record<string, string>> {
  return {
    'ashlar.schema.json': `${JSON.stringify(definitionJsonSchema(), null, 2)}\n`,
    '.gitignore': '# Private keys never go into git.\n*.key\n',
  }
}

function head({ name, form }: Answers): string {
  return `# yaml-language-server: $schema=ashlar.schema.json
apiVersion: ashlar/v1
kind: Image
metadata:
  name: ${scalar(name)}
  version: 0.1.0
spec:
${form === 'system' ? '' : '  form: container\n'}  base: { debian: bookworm }
`
}

/** In quotes where YAML would take it for a number or the like: `2024` and `null` are names, too. */
function scalar(name: string): string {
  return stringify(name).trimEnd()
}

function systemSpec({ packages }: Answers): string {
  const started = packages.flatMap((name) => known[name] ?? [])
  const strangers = packages.filter((name) => known[name] === undefined)
  return `  packages: [${packages.map(scalar).join(', ')}]
  files:
    - { from: rootfs/, to: / }
${strangers.length === 0 ? '' : `  # Units that systemd starts; name those of ${strangers.join(', ')} here.\n`}  services: [${started.map(({ service }) => service).join(', ')}]
${started.length === 0 ? '  # A release is kept when its health checks pass: name, and http, tcp, exec or unit.\n  health: []\n' : `  health:\n${started.map(({ health }) => `    - ${health}\n`).join('')}`}  trust:
    release: { keys: [keys/release.pub] }
    director: { keys: [keys/director.pub] }
`
}

function containerSpec({ name, packages }: Answers): string {
  return `${packages.length === 0 ? '' : `  packages: [${packages.map(scalar).join(', ')}]\n`}  files:
    - { from: rootfs/, to: / }
  run:
    command: [/usr/bin/${name}]
`
}

function rootfs({ name, form }: Answers): Readonly<Record<string, string>> {
  return form === 'system'
    ? { [`rootfs/usr/share/${name}/README`]: `Files below rootfs/ are laid over the packages of ${name}.\n` }
    : { [`rootfs/usr/bin/${name}`]: `#!/bin/sh\necho "hello from ${name}"\n` }
}
