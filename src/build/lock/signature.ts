import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'
import { archiveFault } from './archive-fault.ts'

/** The part of an `InRelease` file that is signed, and by whom. */
export interface SignedText {
  readonly text: string
  /** Fingerprints of the primary keys, sorted. */
  readonly signers: readonly string[]
}

/**
 * Checks a clear-signed file with gpgv. Only what gpgv itself hands out is returned: text before or after the signed
 * part is nobody's. @throws BuildError `archive-key-…`, `archive-invalid`
 */
export async function readSigned(sys: Sys, file: string, keyring: string): Promise<SignedText> {
  const args = ['--keyring', keyring, '--status-fd', '2', '--output', '-', file]
  const { stdout, stderr } = await sys.exec.run('gpgv', args)
  const signers = judgeStatus(stderr, file)
  return { text: new TextDecoder().decode(stdout), signers }
}

/**
 * Reads gpgv's status lines (GnuPG, doc/DETAILS). Debian signs with several keys, of which an older keyring lacks some:
 * one good signature is enough, one bad is too much.
 */
export function judgeStatus(status: string, where: string): readonly string[] {
  const signatures = status.split('[GNUPG:] NEWSIG').slice(1)
  if (signatures.some((lines) => lines.includes('[GNUPG:] BADSIG ')))
    throw new BuildError('archive-invalid', 'the archive index has a bad signature', { where })
  // A key that has expired or was revoked also gives VALIDSIG, but not GOODSIG.
  const good = signatures.filter((lines) => lines.includes('[GNUPG:] GOODSIG '))
  const signers = good.flatMap(primaryKeyIn)
  if (signers.length === 0) throw noSigner(status, where)
  return [...new Set(signers)].toSorted()
}

/** In words that {@link archiveFault} knows: apt may have been content with what gpgv here is not. */
function noSigner(status: string, where: string): BuildError {
  const why =
    /(?:EXPKEYSIG|EXPSIG|REVKEYSIG|NO_PUBKEY) .*|was created .* in the future/.exec(status)?.[0] ??
    `${where} is not signed`
  const { error } = archiveFault(`E: ${why}`, where)
  return new BuildError(error.code, error.message, { where, hint: error.hint })
}

/** The last word of VALIDSIG is the primary key's fingerprint. */
function primaryKeyIn(status: string): readonly string[] {
  const line = status.split('\n').find((one) => one.startsWith('[GNUPG:] VALIDSIG '))
  const fingerprint = line?.split(' ').at(-1) ?? ''
  return /^[0-9A-F]{40}$/.test(fingerprint) ? [fingerprint] : []
}
