/** What a word in a command line can be completed with. */
export type ValueSource =
  | 'images'
  | 'machines'
  | 'definitions'
  | 'folders'
  | 'files'
  | 'kinds'
  | 'forms'
  | 'shells'
  | 'none'

interface Value {
  readonly description: string
  readonly from: ValueSource
}

/** Every `<word>` that stands for something in a usage line: one word, one meaning. */
const values: Readonly<Record<string, Value>> = {
  folder: { description: 'folder of the definition (default: this one)', from: 'folders' },
  reference: { description: 'a release of the local store: NAME:VERSION or NAME@sha256:…', from: 'images' },
  release: { description: 'digest of a release: sha256:… or NAME@sha256:…', from: 'images' },
  machine: { description: 'name of a machine on this host', from: 'machines' },
  command: { description: 'what is run, with its arguments; put -- before it', from: 'none' },
  task: { description: 'a command that is to work here: lock, build, machine, push, …', from: 'none' },
  node: { description: 'name of a node', from: 'machines' },
  fleet: { description: 'name of a fleet', from: 'none' },
  rollout: { description: 'name of a rollout', from: 'none' },
  name: { description: 'name of one of them', from: 'none' },
  kind: { description: 'nodes, fleets, releases or rollouts', from: 'kinds' },
  form: { description: 'system or container', from: 'forms' },
  url: { description: 'https://HOST:PORT, or http:// on loopback', from: 'none' },
  'host|folder': {
    description: 'a host that ssh reaches, or the folder of a root file system',
    from: 'folders',
  },
  path: { description: 'a path', from: 'files' },
  file: { description: 'a file', from: 'files' },
  shell: { description: 'bash, zsh or fish', from: 'shells' },
}

export function describeValue(name: string): string {
  return values[name]?.description ?? ''
}

export function sourceOf(name: string): ValueSource {
  return values[name]?.from ?? 'none'
}

/** The few words that a value can be; undefined where they are looked up. */
export function fixedValues(source: ValueSource): readonly string[] | undefined {
  if (source === 'forms') return ['system', 'container']
  if (source === 'kinds') return ['nodes', 'fleets', 'releases', 'rollouts']
  return source === 'shells' ? ['bash', 'zsh', 'fish'] : undefined
}
