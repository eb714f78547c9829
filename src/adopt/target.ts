import { AdoptError } from './errors.ts'
import { connectSeconds } from './limits.ts'

/** Where the system is that is adopted. */
export type Target =
  | { readonly is: 'folder'; readonly folder: string }
  | { readonly is: 'host'; readonly host: string }

/** A path begins with `/` or `.`; anything else is a host as ssh knows it. @throws AdoptError `target-invalid` */
export function parseTarget(text: string): Target {
  if (/^[/.]/.test(text)) return { is: 'folder', folder: text }
  // What begins with a dash would be an option of ssh.
  if (/^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9_][A-Za-z0-9._:%-]*$/.test(text))
    return { is: 'host', host: text }
  throw new AdoptError('target-invalid', `${JSON.stringify(text)} is neither a host nor a folder`, {
    hint: 'name a host as in ~/.ssh/config, or a folder as an absolute path',
  })
}

/** The program that takes a script on its standard input. Rights are used where they can be had without a question. */
export function shellOf(target: Target): { readonly program: string; readonly args: readonly string[] } {
  // In a group of its own, so that it can be ended with all that it started.
  if (target.is === 'folder') return { program: 'setsid', args: ['sh', '-s', target.folder] }
  const elevated =
    'if [ "$(id -u)" != 0 ] && sudo -n sh -c : 2>/dev/null; then exec sudo -n sh -s /; fi; exec sh -s /'
  const options = [
    ...['-T', '-a', '-x', '-o', 'ClearAllForwardings=yes', '-o', `ConnectTimeout=${connectSeconds}`],
    ...['-o', 'ServerAliveInterval=15', '-o', 'PermitLocalCommand=no'],
  ]
  return { program: 'ssh', args: [...options, '--', target.host, `sh -c '${elevated}'`] }
}
