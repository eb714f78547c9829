import { CliError, type Context } from './context.ts'

/** @throws CliError `root-required` */
export function requireRoot({ user }: Context): void {
  if (user === 0) return
  throw new CliError('root-required', 'this needs root: it makes namespaces, mounts and network links', {
    hint: 'run it with sudo; ASHLAR_DATA keeps its meaning with sudo --preserve-env=ASHLAR_DATA',
  })
}
