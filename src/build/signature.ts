import type { Sys } from '../sys/index.ts'
import { BuildError } from './errors.ts'

/** The part of an `InRelease` file that is signed, and by whom. */
export interface SignedText {
  readonly text: string
  /** Fingerprints of the primary keys, sorted. */
  readonly signers: readonly string[]
}

/**
 * Checks a clear-signed file with gpgv. Only what gpgv itself hands out is returned: text before or after the signed
 * part is nobody's. @throws BuildError `archive-key-unknown`, `archive-invalid`
 */
export async function readSigned(
  sys: Sys,
  file: string,
  keyring: string,
  scratch: string,
): Promise<SignedText> {
  await sys.disk.rm(scratch, { force: true })
  const { stdout } = await sys.exec.run('gpgv', [
    ...['--keyring', keyring, '--status-fd', '1', '--output', scratch],
    file,
  ])
  const signers = judgeStatus(new TextDecoder().decode(stdout), file)
  const text = await sys.disk.readFile(scratch, 'utf8')
  await sys.disk.rm(scratch)
  return { text, signers }
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
  const signers = good.flatMap((lines) => /VALIDSIG .*\b([0-9A-F]{40})$/m.exec(lines)?.[1] ?? [])
  if (signers.length === 0)
    throw new BuildError('archive-key-unknown', 'the archive index is signed by no key of the keyring', {
      where,
      hint: 'install debian-archive-keyring',
    })
  return [...new Set(signers)].toSorted()
}
