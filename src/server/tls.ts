import { createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Digest } from '../core/index.ts'
import {
  type Authority,
  certificateFingerprint,
  createAuthority,
  issueServerCertificate,
  isValidAt,
  needsRenewal,
  type ServerCertificate,
} from '../identity/index.ts'
import type { Sys } from '../sys/index.ts'
import { ServerError } from './errors.ts'

/** How this server proves who it is. */
export interface Tls {
  readonly key: string
  readonly cert: string
  /** PEM of the authority: what clients trust. */
  readonly authority: string
  /** Of the authority's certificate: what people and nodes compare. */
  readonly fingerprint: Digest
}

/** Only the server's own user may read a key. */
const secretMode = { mode: 0o600 }

/** Authority and certificate from the folder. What is missing, near its end, or made for other addresses is made anew. */
export async function openTls(sys: Sys, folder: string, hosts: readonly string[]): Promise<Tls> {
  const authority = await openAuthority(sys, folder)
  const { chain, privateKey } = await openCertificate(sys, folder, authority, hosts)
  return {
    key: privateKey,
    cert: chain,
    authority: authority.certificate,
    fingerprint: certificateFingerprint(authority.certificate),
  }
}

async function openAuthority(sys: Sys, folder: string): Promise<Authority> {
  const known = await readAuthority(sys, folder)
  const now = sys.clock.now()
  if (known !== undefined && !isValidAt(known.certificate, now))
    throw new ServerError(
      'clock-far-off',
      `at ${new Date(now).toISOString()}, which this host's clock says, the authority of this server is not valid`,
      {
        where: authorityPath(folder).certificate,
        hint: 'set the clock: timedatectl set-ntp true; where it is right the authority has ended: remove authority.pem and authority.key, and enrol every node anew',
      },
    )
  if (known !== undefined) return known
  const made = createAuthority({ now })
  // The certificate last: while it is not there, nobody has been shown it.
  await sys.disk.writeDurably(authorityPath(folder).key, made.privateKey, secretMode)
  await sys.disk.writeDurably(authorityPath(folder).certificate, made.certificate)
  return made
}

const authorityPath = (folder: string) => ({
  certificate: join(folder, 'authority.pem'),
  key: join(folder, 'authority.key'),
})

/**
 * Undefined where there is none yet. Where the certificate is there, nodes may have been shown it: another in its place
 * would cut them all off. @throws ServerError `authority-damaged`
 */
export async function readAuthority(sys: Sys, folder: string): Promise<Authority | undefined> {
  const path = authorityPath(folder)
  const [certificate, privateKey] = [await textOf(sys, path.certificate), await textOf(sys, path.key)]
  if (certificate === undefined) return undefined
  if (privateKey === undefined) throw damaged(path.key, 'the key of the authority is gone')
  try {
    const matches = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))
    if (matches) return { certificate, privateKey }
  } catch (cause) {
    throw damaged(folder, 'the authority or its key cannot be read', cause)
  }
  throw damaged(folder, 'the key of the authority is not that of its certificate')
}

function damaged(where: string, message: string, cause?: unknown): ServerError {
  return new ServerError('authority-damaged', message, {
    where,
    cause,
    hint: 'put authority.pem and authority.key back from a backup; without one remove both, and every node must be enrolled anew',
  })
}

async function openCertificate(
  sys: Sys,
  folder: string,
  authority: Authority,
  hosts: readonly string[],
): Promise<ServerCertificate> {
  const now = sys.clock.now()
  const path = join(folder, 'server.pem')
  // Key and chain in one file: there is no moment at which they do not belong together.
  const text = await textOf(sys, path)
  const kept = text === undefined ? undefined : split(text)
  if (kept !== undefined && isFit(kept, authority, hosts, now)) return kept
  const made = issueServerCertificate(authority, {
    names: hosts.filter((host) => !isAddress(host)),
    addresses: hosts.filter(isAddress),
    now,
  })
  await sys.disk.writeDurably(path, made.privateKey + made.chain, secretMode)
  return made
}

function split(text: string): ServerCertificate {
  const at = text.indexOf('-----BEGIN CERTIFICATE-----')
  return { privateKey: text.slice(0, at), chain: text.slice(at) }
}

/** What cannot be read is made anew: clients trust the authority, not this. */
function isFit(
  { chain, privateKey }: ServerCertificate,
  authority: Authority,
  hosts: readonly string[],
  now: number,
): boolean {
  try {
    const matches = new X509Certificate(chain).checkPrivateKey(createPrivateKey(privateKey))
    return matches && !needsRenewal(chain, now) && covers(chain, authority, hosts)
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^ERR_(?:OSSL|CRYPTO)_/.test(String(error.code)))
      return false
    throw error
  }
}

function covers(chain: string, authority: Authority, hosts: readonly string[]): boolean {
  const certificate = new X509Certificate(chain)
  if (!certificate.checkIssued(new X509Certificate(authority.certificate))) return false
  return hosts.every((host) =>
    isAddress(host) ? certificate.checkIP(host) !== undefined : certificate.checkHost(host) !== undefined,
  )
}

function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}

async function textOf(sys: Sys, path: string): Promise<string | undefined> {
  try {
    return await sys.disk.readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
