import { type RunningServer, startServer } from '../server/index.ts'
import { loadPrivateKey } from '../sign/index.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context } from './context.ts'
import { toFailure } from './failure.ts'
import { readTextFile } from './files.ts'
import { readPassphrase } from './key.ts'
import { keepLogin } from './session.ts'

interface Options {
  readonly listen: string
  readonly directorKey: string
  readonly advertise?: string[]
  readonly mutableTags?: string[]
  readonly passphraseFile?: string
  readonly data?: string
  readonly login?: true
  readonly newAdminToken?: true
  readonly json?: true
}

/** `ashlar serve`: registry, API and director in one process, until it is told to stop. */
export function addServe({ command, act }: Registrar): void {
  command({
    usage: 'serve',
    summary: 'run registry, API and director in one process',
    about:
      'One process holds the registry that nodes fetch from, the inventory of nodes and fleets, and the director that orders them. On loopback it speaks plain HTTP; on any other address TLS, with an authority of its own whose fingerprint it prints. The first start makes an admin token, shown once. It stays in the foreground until it is told to stop; run it as a service with ASHLAR_LOG=json: standard error is a log then of one JSON object a line, from the start to the stop, without the token, which goes to standard output.',
    examples: [
      'serve --listen 127.0.0.1:7480 --director-key keys/director.key --login',
      'serve --listen 0.0.0.0:7443 --advertise ashlar.example.org --director-key keys/director.key',
    ],
    see: ['key new', 'login', 'push'],
  })
    .requiredOption('--director-key <file>', 'private key that orders to nodes are signed with')
    .option('--listen <host:port>', 'any host but loopback is TLS from the server’s own CA', '127.0.0.1:7480')
    .option(
      '--advertise <host...>',
      'names and addresses that clients reach it by; needed where it listens on all of them',
    )
    .option(
      '--mutable-tags <repository...>',
      'repositories whose tags may be moved and removed: a name, all below it (try/*) or *; in all others tags are write-once',
    )
    .option('--data <folder>', 'where the server keeps its state (default: ASHLAR_DATA/server)')
    .option('--passphrase-file <file>', 'its first line opens the director key')
    .option('--new-admin-token', 'make another admin token, for who has lost the first')
    .option('--login', 'where an admin token is made, log this user in with it instead of printing it')
    .action(
      act<Options>(async (context, _, options) => {
        const passphrase = await readPassphrase(context, options.passphraseFile)
        const keyText = await readTextFile(context, options.directorKey)
        const server = await startServer({
          sys: context.sys,
          dataFolder: options.data ?? context.folders.server,
          listen: parseListen(options.listen),
          directorKey: loadPrivateKey(keyText, passphrase, options.directorKey),
          ...(options.advertise !== undefined && { advertise: options.advertise }),
          ...(options.mutableTags !== undefined && { mutableTags: options.mutableTags }),
          newAdminToken: options.newAdminToken === true,
          onError: (error) => context.terminal.failure(toFailure(error)),
        })
        await announce(context, server, options)
        await aborted(context.signal)
        await server.close()
        const logged = context.terminal.format === 'json'
        if (logged) context.terminal.note('stopped')
        return { json: { stopped: true }, text: logged ? '' : 'stopped' }
      }),
    )
}

/** Says where it listens, once it does. The admin token is shown here and never again; a log does not get it. */
async function announce(context: Context, server: RunningServer, options: Options): Promise<void> {
  const { terminal } = context
  const { url, authority, adminToken } = server
  if (options.login && adminToken !== undefined) {
    const ca = authority === undefined ? {} : { ca: authority.pem, fingerprint: authority.fingerprint }
    await keepLogin(context, { url, token: adminToken, ...ca })
  }
  const place = { url, ...(authority !== undefined && { fingerprint: authority.fingerprint }) }
  const token = options.login || adminToken === undefined ? {} : { adminToken }
  if (terminal.format === 'json') terminal.note(`serving at ${url}`, place)
  if (options.json) terminal.result(JSON.stringify({ ...place, ...token }))
  else if (terminal.format === 'text') terminal.result(linesOf(server, options).join('\n'))
  else if (token.adminToken !== undefined) terminal.result(JSON.stringify(token))
}

function linesOf({ url, authority, adminToken }: RunningServer, { login }: Options): readonly string[] {
  return [
    `serving at ${url}`,
    ...(authority === undefined ? [] : [`authority  ${authority.fingerprint}`]),
    ...(adminToken === undefined
      ? []
      : [login ? 'this user is logged in' : `admin token, shown only now: ${adminToken}`]),
  ]
}

/** @throws CliError `usage` */
function parseListen(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  throw new CliError('usage', `${JSON.stringify(text)} is no address to listen on`, {
    hint: 'write host:port or [ipv6]:port',
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
