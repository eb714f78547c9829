import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { parseDeb822 } from './deb822.ts'
import { parseRelations } from './relation.ts'

/** What a package says of itself, as far as the order of unpacking depends on it. */
export interface Control {
  readonly name: string
  readonly essential: boolean
  /** Each a list of alternatives. */
  readonly depends: readonly (readonly string[])[]
  readonly preDepends: readonly (readonly string[])[]
  readonly provides: readonly string[]
}

/** Reads the control files of `<folder>/<name>.deb`. */
export async function readControls(
  sys: Sys,
  folder: string,
  names: readonly string[],
): Promise<readonly Control[]> {
  const script = 'for name; do dpkg-deb --field "$name.deb"; echo; done'
  const { exitCode, stdout, stderr } = await sys.exec.run('sh', ['-euc', script, 'sh', ...names], {
    cwd: folder,
  })
  if (exitCode !== 0) throw new BuildError('tool-failed', `dpkg-deb cannot read a package: ${stderr.trim()}`)
  return [...parseControls(new TextDecoder().decode(stdout))]
}

export function* parseControls(text: string): Iterable<Control> {
  for (const fields of parseDeb822(text))
    yield {
      name: fields.get('Package') ?? '',
      essential: fields.get('Essential') === 'yes',
      depends: relations(fields.get('Depends')),
      preDepends: relations(fields.get('Pre-Depends')),
      provides: relations(fields.get('Provides')).flat(),
    }
}

/** Names alone; versions were the solver's matter. */
function relations(field?: string): readonly (readonly string[])[] {
  return parseRelations(field).map((group) => group.map(({ name }) => name))
}

/**
 * Some packages and all that these depend on. That of the essential ones is what a maintainer script may use before
 * anything is configured.
 */
export function closureOf(
  controls: readonly Control[],
  isRoot: (control: Control) => boolean,
): ReadonlySet<string> {
  const providers = providersOf(controls)
  const byName = new Map(controls.map((control) => [control.name, control]))
  const closure = new Set<string>()
  const queue = controls.filter(isRoot).map(({ name }) => name)
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (closure.has(name)) continue
    closure.add(name)
    const control = byName.get(name)
    for (const group of [...(control?.preDepends ?? []), ...(control?.depends ?? [])])
      queue.push(...group.flatMap((wanted) => providers.get(wanted) ?? []))
  }
  return closure
}

/**
 * Packages in batches, such that what a package pre-depends on lies in an earlier batch and is configured by then.
 * Packages that wait for each other share a batch: dpkg then says what it lacks.
 */
export function unpackBatches(
  controls: readonly Control[],
  configured: ReadonlySet<string>,
): readonly (readonly string[])[] {
  const providers = providersOf(controls)
  let waiting = controls.filter(({ name }) => !configured.has(name))
  const batches: string[][] = []
  while (waiting.length > 0) {
    const names = new Set(waiting.map(({ name }) => name))
    const ready = waiting.filter(({ preDepends }) =>
      preDepends.every(
        (group) => !group.flatMap((wanted) => providers.get(wanted) ?? []).some((p) => names.has(p)),
      ),
    )
    const batch = ready.length > 0 ? ready : waiting
    batches.push(batch.map(({ name }) => name))
    waiting = waiting.filter((control) => !batch.includes(control))
  }
  return batches
}

function providersOf(controls: readonly Control[]): ReadonlyMap<string, readonly string[]> {
  const providers = new Map<string, string[]>()
  for (const { name, provides } of controls)
    for (const provided of [name, ...provides])
      providers.set(provided, [...(providers.get(provided) ?? []), name])
  return providers
}
