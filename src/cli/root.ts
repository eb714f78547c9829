import { CliError, type Context } from './context.ts'

/** @throws CliError `root-required` */
export function requireRoot({ user, folders }: Context): void {
  if (user === 0) return
  throw new CliError('root-required', 'this needs root: it makes namespaces, mounts and network links', {
    // root's own data folder would be another one.
    hint: `put this before it: sudo ASHLAR_DATA=${folders.data}`,
  })
}
