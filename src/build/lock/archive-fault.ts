import { BuildError, type BuildErrorCode } from '../errors.ts'

/** What apt complained of, as an error, and whether another try may find it gone. */
export interface ArchiveFault {
  readonly error: BuildError
  readonly passing: boolean
}

interface Kind {
  readonly says: RegExp
  readonly code: BuildErrorCode
  readonly message: string
  readonly hint: string
  readonly passing?: true
}

const clockHint = 'compare date -u with the true time, and set the clock: timedatectl set-ntp true'
const otherMirror = 'name another mirror in ashlar.yaml: spec.base.mirrors'

/**
 * In the order in which they are looked for. Keys come last: apt also complains of one that is not known or has expired
 * where another's signature was good and something else went wrong. Words of gpgv and of sqv (apt 3).
 */
const kinds: readonly Kind[] = [
  {
    says: /No space left on device|Disk quota exceeded|enough free space/,
    code: 'disk-full',
    message: 'there is no space left for what the archive sends',
    hint: 'see which disk: df -h; make room and run the command again',
  },
  {
    says: /is not valid yet \(invalid for another [^)]*\)|was created \S+ \S+ in the future/,
    code: 'clock-behind',
    message: 'the archive index is dated in the future: the clock of this machine is behind',
    hint: clockHint,
  },
  {
    says: /is expired \(invalid since [^)]*\)/,
    code: 'archive-expired',
    message:
      'the archive index has expired: this mirror gets no updates, or the clock of this machine is ahead',
    hint: `${clockHint}; if it is right, ${otherMirror}`,
  },
  {
    says: /Clearsigned file isn't valid.*/,
    code: 'archive-invalid',
    message: 'what the mirror sends as its index is none; a network with a login page answers so',
    hint: 'look at it with curl -i; log in to the network, or name the mirror rightly in spec.base.mirrors',
  },
  {
    says: /Could not get lock .*/,
    code: 'archive-busy',
    message: 'another ashlar lock is fetching the same indexes',
    hint: 'wait until it has ended, and run the command again',
  },
  {
    says: /Hash Sum mismatch|File has unexpected size \([^)]*\)/,
    code: 'archive-invalid',
    message: 'the mirror sends other bytes than its signed index names',
    hint: `it may be in the middle of an update: try again in some minutes; else ${otherMirror}`,
    passing: true,
  },
  {
    says: /Could not resolve '[^']*'|Temporary failure resolving '[^']*'/,
    code: 'archive-unreachable',
    message: 'the name of the mirror or of the proxy cannot be resolved',
    hint: 'ask for it with getent hosts NAME; then mend /etc/resolv.conf or the address',
    passing: true,
  },
  {
    says: /(?:Could not|Unable to|Cannot) (?:connect|initiate the connection) to .*/,
    code: 'archive-unreachable',
    message: 'nothing answers at the mirror, or at the proxy that leads to it',
    hint: 'is the address right? A proxy is named by http_proxy and by apt-config dump Acquire::http::Proxy',
    passing: true,
  },
  {
    says: /(?:Connection|Data socket|Operation) timed out.*|Connection failed/,
    code: 'archive-unreachable',
    message: 'the mirror went silent',
    hint: `check the network and try again; what has arrived is kept; else ${otherMirror}`,
    passing: true,
  },
  {
    says: /Error reading from server.*|Connection reset.*|Connection closed.*|Undetermined Error/,
    code: 'archive-unreachable',
    message: 'the mirror cut the connection',
    hint: `check the network and try again; what has arrived is kept; else ${otherMirror}`,
    passing: true,
  },
  {
    says: /\b5\d\d {2}.*/,
    code: 'archive-unreachable',
    message: 'the mirror has a fault of its own',
    hint: `try again in some minutes; else ${otherMirror}`,
    passing: true,
  },
  {
    says: /\b404 {2}.*|does not have a Release file|no longer has a Release file/,
    code: 'archive-incomplete',
    message: 'the mirror does not have what it should',
    hint: `if it is in the middle of an update, try again in some minutes; else ${otherMirror}`,
    passing: true,
  },
  {
    says: /\b4\d\d {2}.*/,
    code: 'archive-unreachable',
    message: 'the mirror, or the proxy that leads to it, refuses',
    hint: 'is the address right, and does the proxy ask for a name? See http_proxy and spec.base.mirrors',
  },
  {
    says: /handshake.*|certificate.*/i,
    code: 'archive-unreachable',
    message: 'there is no TLS with the mirror',
    hint: 'is the address https, and is ca-certificates installed? See the answer with curl -v',
  },
  {
    says: /EXPKEYSIG \S+ .*|EXPSIG \S+ .*/,
    code: 'archive-key-expired',
    message: 'the key that signed the archive index has expired',
    hint: `apt-get install debian-archive-keyring, which brings the keys of today; ${clockHint}`,
  },
  {
    says: /REVKEYSIG \S+ .*|[Rr]evoked.*/,
    code: 'archive-key-revoked',
    message: 'the key that signed the archive index was revoked',
    hint: `trust nothing that this mirror serves: ${otherMirror}; apt-get install debian-archive-keyring`,
  },
  {
    says: /BADSIG \S+ .*|Message has been manipulated/,
    code: 'archive-invalid',
    message: 'the archive index was altered after it was signed',
    hint: otherMirror,
  },
  {
    says: /NO_PUBKEY \S+|Missing key \S+|is not signed/,
    code: 'archive-key-unknown',
    message: 'the archive is signed by none of the known keys',
    hint: 'apt-get install debian-archive-keyring, or name mirrors of Debian in spec.base.mirrors',
  },
]

/** Reads apt's complaints. What it says in words of its own stays in the message. `folder` is where apt writes. */
export function archiveFault(output: string, folder: string): ArchiveFault {
  // A mirror's address may hold a name and a password.
  const stderr = output.replace(/(\/\/)[^/\s]+@/g, '$1')
  const found = kinds.find(({ says }) => says.test(stderr))
  const lines = stderr.split('\n').filter((line) => /^(?:[EW]|Error|Warning):/.test(line))
  const line =
    lines.find((one) => found?.says.test(one)) ?? lines[0] ?? stderr.trim().split('\n').at(-1) ?? ''
  const where = found?.code === 'disk-full' ? folder : /https?:\/\/[^\s'"]+/.exec(line)?.[0]
  const said = found?.says.exec(stderr)?.[0] ?? line.replace(/^\w+: */, '')
  const { code, message, hint, passing } = found ?? {
    code: 'archive-unreachable' as const,
    message: 'the archive cannot be read',
    hint: 'check the network and the mirrors, then try again',
  }
  return {
    error: new BuildError(code, `${message}: ${said.trim()}`, { where, hint }),
    passing: passing ?? false,
  }
}

/** apt was killed when its time was over. */
export function silentFault(what: string, folder: string): ArchiveFault {
  return archiveFault(
    `E: Failed to fetch ${what}  Connection timed out: not done within the time that even a slow mirror needs`,
    folder,
  )
}
