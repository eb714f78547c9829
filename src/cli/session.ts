import { join } from 'node:path'
import { type Client, createClient } from '../api/index.ts'
import { type Digest, isDigest } from '../core/index.ts'
import { certificateFingerprint } from '../identity/index.ts'
import { openRemoteRepository, type Repository } from '../oci/index.ts'
import { CliError, type Context } from './context.ts'
import { readTextFileIfThere } from './files.ts'

/** Where this person's server is and how they are known there; kept readable by them alone. */
export interface Login {
  /** Origin of the server. */
  readonly url: string
  readonly token: string
  /** The server's authority (PEM) and its fingerprint, where it speaks TLS. */
  readonly ca?: string
  readonly fingerprint?: Digest
}

export interface Session {
  readonly login: Login
  readonly client: Client
  repository(name: string): Repository
}

const loginName = 'login.json'
const loginFile = ({ folders }: Context) => join(folders.data, loginName)
const handshakeMs = 10_000

export async function keepLogin(context: Context, login: Login): Promise<void> {
  const { disk } = context.sys
  await disk.mkdir(context.folders.data, { recursive: true })
  // The token of a login that was killed.
  await disk.removeUnfinished(context.folders.data, { of: [loginName], shared: true })
  await disk.writeDurably(loginFile(context), `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 })
}

/** The server that `ashlar login` named. @throws CliError `not-logged-in` */
export async function openSession(context: Context): Promise<Session> {
  const text = await readTextFileIfThere(context, loginFile(context))
  if (text === undefined)
    throw new CliError('not-logged-in', 'no server is known here', {
      where: loginFile(context),
      hint: 'ashlar login URL --token-file FILE',
    })
  return sessionOf(context, parseLogin(text, loginFile(context)))
}

/** @throws CliError `record-invalid` */
function parseLogin(text: string, where: string): Login {
  try {
    const login = JSON.parse(text) as Partial<Login> | null
    const { url, token, ca, fingerprint } = login ?? {}
    const pinned = [ca, fingerprint].every((text) => text === undefined || typeof text === 'string')
    if (typeof url === 'string' && URL.parse(url) !== null && typeof token === 'string' && pinned)
      return login as Login
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new CliError('record-invalid', 'what ashlar login kept cannot be read', {
    where,
    hint: 'log in again: ashlar login URL --token-file FILE',
  })
}

export function sessionOf({ sys }: Context, login: Login): Session {
  const ca = login.ca === undefined ? {} : { ca: login.ca }
  const credential = async () => `Bearer ${login.token}`
  return {
    login,
    client: createClient({ net: sys.net, url: login.url, credential, ...ca }),
    repository: (name) => openRemoteRepository(sys, { url: login.url, name, credential, ...ca }),
  }
}

/** The certificate with this fingerprint out of the chain that the server shows. @throws CliError `usage` */
export async function pinAuthority({ sys }: Context, url: string, fingerprint: string): Promise<string> {
  if (!isDigest(fingerprint))
    throw new CliError('usage', 'a fingerprint is sha256: and 64 hex digits', {
      hint: 'ashlar serve prints it when it starts',
    })
  const { hostname, port } = new URL(url)
  const chain = await sys.net.peerCertificates(hostname, Number(port || 443), handshakeMs)
  const authority = chain.find((pem) => certificateFingerprint(pem) === fingerprint)
  if (authority !== undefined) return authority
  throw new CliError(
    'authority-unknown',
    `${url} shows no certificate with that fingerprint: it is another server, or someone is between`,
    {
      where: url,
      hint: 'compare with what ashlar serve printed',
    },
  )
}
