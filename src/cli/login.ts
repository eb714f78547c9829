import { isLoopback } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { CliError } from './context.ts'
import { readTextFile } from './files.ts'
import { keepLogin, pinAuthority, sessionOf } from './session.ts'

/** `ashlar login`: remembers a server, after it was reached with the token. */
export function addLogin({ command, act }: Registrar): void {
  command({
    usage: 'login <url>',
    summary: 'remember a server and the token for it',
    about:
      'Keeps address, token and authority of a server in the data folder, readable by you alone, after it was reached with them. The token is read from a file, for an argument is seen by every user of this host.',
    examples: ['login https://10.97.0.1:7443 --token-file token --ca-fingerprint sha256:…'],
    see: ['serve', 'token operator'],
  })
    .requiredOption(
      '--token-file <file>',
      'its first line is the token; never an argument, which others can read',
    )
    .option(
      '--ca-fingerprint <digest>',
      'of the server’s authority, as ashlar serve printed it; required for https',
    )
    .action(
      act<{ tokenFile: string; caFingerprint?: string }>(async (context, [given = ''], options) => {
        const url = originOf(given)
        const token = (await readTextFile(context, options.tokenFile)).split('\n')[0]?.trim() ?? ''
        if (url.startsWith('https:') && options.caFingerprint === undefined)
          throw new CliError('usage', 'an https server is known by its fingerprint', {
            where: url,
            hint: 'add --ca-fingerprint sha256:…, as ashlar serve printed it',
          })
        const pin = options.caFingerprint
        const ca =
          pin === undefined ? {} : { ca: await pinAuthority(context, url, pin), fingerprint: pin as never }
        const login = { url, token, ...ca }
        await sessionOf(context, login).client.list('Node')
        await keepLogin(context, login)
        return { json: { url, ...(pin !== undefined && { fingerprint: pin }) }, text: `logged in at ${url}` }
      }),
    )
}

/** The token is never sent in clear over a network. @throws CliError `usage` */
function originOf(text: string): string {
  const url = /^https?:\/\//.test(text) ? URL.parse(text) : null
  if (url?.protocol === 'https:' || (url !== null && isLoopback(url.hostname))) return url.origin
  throw new CliError('usage', `${JSON.stringify(text)} is not the address of a server`, {
    hint: 'write https://HOST:PORT, or http:// for a server on this host’s loopback',
  })
}
