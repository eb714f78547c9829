/**
 * Whether a file may hold a secret. The rule is to allow: what is not plain text and not a program is never taken, and
 * text only where nothing in it looks like one. A false alarm costs a look at a path; a miss puts a key into git.
 */

const closedNames = [
  /(?:^|[._-])(?:keys?|keytab|secrets?|tokens?|passw(?:or)?ds?|passwd|passphrase|credentials?|htpasswd|shadow|private|psk)(?:[._-]|$)/i,
  /\.(?:p12|pfx|jks|keystore|kdbx|ppk|gpg|pgp|ovpn|env|age)$/i,
  /^\.(?:env|netrc|pgpass|my\.cnf|git-credentials|dockercfg|npmrc|pypirc|s3cfg|boto)/i,
  /^id_(?:rsa|dsa|ecdsa|ed25519)/,
]
const closedFolders =
  /\/(?:\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker|wireguard|ssl\/private|openvpn|ipsec\.d|letsencrypt|strongswan|secrets?|private|credstore(?:\.encrypted)?)\//i
/** Where passwords are spoken of by the format, and none is ever written. */
const openPlaces = /^\/etc\/(?:pam\.d\/|nsswitch\.conf$)/

/** A name that speaks of a secret; undefined for any other. */
export function secretName(path: string): string | undefined {
  if (openPlaces.test(path)) return undefined
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (closedNames.some((pattern) => pattern.test(name))) return 'its name speaks of a secret'
  return closedFolders.test(path) ? 'it lies in a folder for secrets' : undefined
}

export type Content = 'text' | 'program' | 'opaque'

export function contentOf(bytes: Uint8Array): Content {
  if (bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46) return 'program'
  // A compressed or encoded file hides what is in it.
  for (const byte of bytes)
    if (byte < 0x20 && !(byte >= 0x07 && byte <= 0x0d) && byte !== 0x1b) return 'opaque'
  return 'text'
}

/** What in a file looks like a secret; never the secret. */
export function secretContent(path: string, bytes: Uint8Array, content: Content): string | undefined {
  const text = Buffer.from(bytes).toString('latin1')
  const marked = marks.find(([pattern]) => pattern.test(text))
  if (marked !== undefined) return marked[1]
  // Programs that read keys have the bare header among their words.
  if (content === 'program') return wholeKey.test(text) ? 'a private key' : undefined
  if (keyMark.test(text)) return 'a private key'
  if (openPlaces.test(path)) return undefined
  const rest = text.replace(publicParts, '')
  for (const line of rest.split('\n')) {
    const found = secretLine(line)
    if (found !== undefined) return found
  }
  return undefined
}

// A file may be a single line of megabytes: where a word may begin again and again, what stands around it has a greatest
// length, or each beginning would be followed to the line's end.

const wholeKey = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY[A-Z ]{0,30}-----\s+[A-Za-z0-9+/=:,\s-]{64,}/
const keyMark = /PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-|-----BEGIN OpenVPN Static key/

/** What is a secret wherever it stands. */
const marks: readonly (readonly [RegExp, string])[] = [
  [/\$(?:1|5|6|7|y|gy|2[aby]|apr1|argon2[a-z]*)\$[./A-Za-z0-9=,+$]{12,}/, 'a password hash'],
  [/\{(?:SSHA|SHA|MD5|SMD5|CRYPT|PBKDF2)[0-9]*\}\S{12,}/, 'a password hash'],
  [
    /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|glpat-|xox[abprs]-|sk_live_|AIza[0-9A-Za-z_-]{30}|eyJ[A-Za-z0-9_-]{10,1000}\.eyJ)/,
    'an access token',
  ],
]

/** What is public by its nature and looks random all the same. */
const publicParts =
  /-----BEGIN (CERTIFICATE|PUBLIC KEY|X509 CRL|DH PARAMETERS|PGP PUBLIC KEY BLOCK)-----(?:(?!-----BEGIN )[\s\S])*?-----END \1-----|(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S{1,60}|sk-\S{1,60}) AAAA[A-Za-z0-9+/=]+/g

const words =
  'pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|preshared[_-]?key|encryption[_-]?key|psk|credentials?|community'
const assignment = new RegExp(
  `(?:${words})[a-z0-9_-]{0,100}["']?[ \\t]*(?:=>|:=|[:=])[ \\t]*["']?([^\\s"',;]+)`,
  'gi',
)
const statement = new RegExp(
  `^\\s*(?:\\S+\\s+)?(?:requirepass|masterauth|authtok|rocommunity6?|rwcommunity6?|${words})[ \\t]+["']?([^\\s"';]+)["']?;?\\s*$`,
  'i',
)
/** In an address, a header, an argument, an element, a line of netrc(5). */
const elsewhere: readonly RegExp[] = [
  /:\/\/[^/\s:@'"]*:([^/\s@'"]+)@/g,
  /authorization["']?(?:\s*[:=])?(?:\s*["'])?\s*(?:bearer|basic|token)\s+([^\s"']+)/gi,
  new RegExp(`\\s--?(?:[a-z0-9-]{0,100}-)?(?:${words})[a-z0-9_-]{0,100}[ =]+["']?([^\\s"']+)`, 'gi'),
  /\s(?:-u|--user)[ =]?["']?[^\s:"'/]+:([^\s"']+)/g,
  /\b(?:mysql|mariadb|sshpass)\S{0,100}\s(?:.{0,500}\s)?-p\s?([^\s"']+)/g,
  new RegExp(`<[^<>]{0,200}(?:${words})[^<>]{0,200}>\\s*([^<\\s]+)\\s*<\\/`, 'gi'),
  /\blogin\s+\S+\s+password\s+(\S+)/gi,
]

function startOfLastWord(line: string): number {
  return line.length - (line.split(/\s/).at(-1)?.length ?? 0)
}

function secretLine(line: string): string | undefined {
  const comment = /^\s*(?:#|;|\/\/|--|\*)/.test(line)
  // In a comment a sentence may go on after the word.
  const lastWord = comment ? startOfLastWord(line.trimEnd()) : 0
  for (const match of line.matchAll(assignment))
    if (!harmless(match[1] ?? '') && lastWord < match.index + match[0].length) return 'a password or token'
  const value = comment ? undefined : statement.exec(line)?.[1]
  if (value !== undefined && !harmless(value)) return 'a password or token'
  for (const pattern of elsewhere)
    for (const match of line.matchAll(pattern))
      if (!harmless(match[1] ?? '')) return 'credentials in an address or a call'
  for (const [word] of line.matchAll(/[A-Za-z0-9+/_-]{24,}={0,2}/g))
    if (isRandom(word)) return 'a long random word'
  return undefined
}

const harmlessWords =
  /^(?:yes|no|on|off|true|false|none|null|nil|undefined|required|requisite|sufficient|optional|include|prompt|ask|plain|md5|sha\d*|scram-sha-256|crypt|x+|\*+|!+|\.\.\.|0|1)$/i

/** A variable without a default, a placeholder, a path of a file that holds it. */
const harmlessForms =
  /^(?:\$[A-Za-z_][A-Za-z0-9_]*|\$\{[A-Za-z0-9_.]*\}|\$\(.*|%[A-Za-z]|%\(?[A-Za-z_]+\)?[sd]?|<[^<>]*>|\{\{?[^{}]*\}?\}|(?:~|\/[\w.@-]+)(?:\/[\w.@-]+)+\/?)$/

function harmless(value: string): boolean {
  return value.length < 2 || harmlessForms.test(value) || harmlessWords.test(value)
}

/** Long hexadecimal, or letters of both cases and digits in a colourful row. Names change case where their words begin, and have numbers at the ends. */
function isRandom(word: string): boolean {
  if (/^[0-9a-f]{32,}$/i.test(word)) return /\d/.test(word) && /[a-f]/i.test(word)
  if (!/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/\d/.test(word)) return false
  const kinds = [...word].map((one) =>
    /[a-z]/.test(one) ? 'a' : /[A-Z]/.test(one) ? 'A' : /\d/.test(one) ? '1' : '-',
  )
  const changes = kinds
    .slice(1)
    .map((kind, index) => `${kinds[index]}${kind}`)
    .filter((change) => !change.includes('-') && change[0] !== change[1])
  return changes.filter((change) => change.includes('1')).length >= 4 || changes.length > 0.42 * word.length
}
