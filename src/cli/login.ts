import type { Registrar } from './command.ts'
import { CliError } from './context.ts'
import { readTextFile } from './files.ts'
import { keepLogin, pinAuthority, sessionOf } from './session.ts'

/** `ashlar login`: remembers a server, after it was reached with the token. */
export function addLogin({ command, act }: Registrar): void {
  command({
    usage: 'login <url>',
    summary: 'remember a server and the token for it',
    example: 'login https://10.97.0.1:7443 --token-file token --ca-fingerprint sha256:…',
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
        if (!URL.canParse(given)) throw new CliError('usage', `${JSON.stringify(given)} is not a URL`)
        const url = new URL(given).origin
        const token = (await readTextFile(context, options.tokenFile)).split('\n')[0]?.trim() ?? ''
        if (url.startsWith('https:') && options.caFingerprint === undefined)
          throw new CliError('usage', 'an https server is known by its fingerprint', {
            hint: 'add --ca-fingerprint',
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
