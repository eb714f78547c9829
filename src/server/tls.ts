import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Digest } from '../core/index.ts'
import {
  type Authority,
  certificateFingerprint,
  createAuthority,
  issueServerCertificate,
  needsRenewal,
  type ServerCertificate,
} from '../identity/index.ts'
import type { Sys } from '../sys/index.ts'

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
  const [certificatePath, keyPath] = [join(folder, 'authority.pem'), join(folder, 'authority.key')]
  const [certificate, privateKey] = [await textOf(sys, certificatePath), await textOf(sys, keyPath)]
  if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey }
  const made = createAuthority({ now: sys.clock.now() })
  // The certificate last: while it is not there, nobody has been shown it.
  await sys.disk.writeDurably(keyPath, made.privateKey, secretMode)
  await sys.disk.writeDurably(certificatePath, made.certificate)
  return made
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
  if (kept !== undefined && !needsRenewal(kept.chain, now) && covers(kept.chain, authority, hosts))
    return kept
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
