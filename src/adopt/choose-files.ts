import type { Finding } from '../core/index.ts'
import type { Entry, Facts } from './facts.ts'
import { fileBytesMax, filesBytesMax, filesMax } from './limits.ts'
import { defaultLinks, isGenerated, whyStays } from './places.ts'
import { secretName } from './secrets.ts'

/** A file or link that may come along, once its content was seen. */
export interface Candidate {
  readonly entry: Entry
  /** The package of the image that it was changed against; undefined where no package owns it. */
  readonly changed: string | undefined
}

export interface Choice {
  readonly candidates: readonly Candidate[]
  readonly findings: readonly Finding[]
}

type Judgement = 'as shipped' | { readonly candidate: Candidate } | { readonly finding: Finding }

/** Every entry that differs from what the packages of the image will put there. Content is not seen yet. */
export function chooseFiles(facts: Facts, image: ReadonlySet<string>): Choice {
  const candidates: Candidate[] = []
  const findings: Finding[] = []
  const changed = new Map(facts.changed.map((row) => [row.path, row.package]))
  let sizeBytes = 0
  for (const path of [...facts.entries.keys()].toSorted()) {
    const entry = facts.entries.get(path)
    if (entry === undefined || entry.kind === 'd') continue
    const judgement = judge({ facts, image, changed }, entry)
    if (judgement === 'as shipped') continue
    if ('finding' in judgement) findings.push(judgement.finding)
    else if (sizeBytes + entry.sizeBytes > filesBytesMax || candidates.length >= filesMax)
      findings.push(refused('file-beyond-limit', entry, 'there is more than a definition in git should hold'))
    else {
      sizeBytes += entry.sizeBytes
      candidates.push(judgement.candidate)
    }
  }
  const turnedOff = defaultLinks.filter(
    ({ package: owner, path }) => image.has(owner) && !facts.entries.has(path),
  )
  return {
    candidates: [
      ...candidates,
      ...turnedOff.map(({ path }) => ({ entry: emptyLink(path), changed: undefined })),
    ],
    findings: [...findings, ...turnedOff.map(turnedOffFinding), ...removedFindings(facts, image)],
  }
}

interface Ground {
  readonly facts: Facts
  readonly image: ReadonlySet<string>
  readonly changed: ReadonlyMap<string, string>
}

function judge(ground: Ground, entry: Entry): Judgement {
  const { facts, image } = ground
  const { path, kind } = entry
  if (isGenerated(path)) return 'as shipped'
  const owner = facts.owners.get(path) ?? ground.changed.get(path)
  if (isAsShipped(ground, entry, owner)) return 'as shipped'
  const stays = whyStays(path)
  if (stays !== undefined) return { finding: { ...stays, where: path } }
  if (owner !== undefined && !image.has(owner))
    return { finding: refused('file-of-left-out', entry, `it belongs to ${owner}, which stays behind`) }
  if (owner !== undefined && kind === 'f' && !facts.md5.has(path) && !ground.changed.has(path))
    return {
      finding: refused('unread', entry, `this user may not read it: ${owner} ships it, it may be changed`),
    }
  if (kind === 'l') return { candidate: { entry, changed: owner } }
  if (kind !== 'f')
    return { finding: refused('file-special', entry, 'a device, socket or pipe is made at run time') }
  const secret = whySecret(facts, entry)
  if (secret !== undefined) return { finding: refused('secret', entry, secret) }
  if (entry.sizeBytes > fileBytesMax)
    return { finding: refused('file-large', entry, `it has ${(entry.sizeBytes / 1e6).toFixed(0)} MB`) }
  return { candidate: { entry, changed: owner } }
}

/** Whether a package of the image puts the same there, at its installation or by one of its scripts. */
function isAsShipped({ facts, changed }: Ground, entry: Entry, owner: string | undefined): boolean {
  const { path, kind, target } = entry
  const md5 = facts.md5.get(path)
  if (kind === 'l') return owner !== undefined || isLinkOfScripts(facts, path, target)
  const shipped = owner === undefined ? undefined : conffileOf(facts, owner, path)
  if (shipped !== undefined) return md5 === shipped
  if (owner !== undefined) return !changed.has(path)
  return md5 !== undefined && (facts.ucf.get(path) === md5 || facts.templates.has(md5))
}

function isLinkOfScripts(facts: Facts, path: string, target: string): boolean {
  if (path.startsWith('/etc/alternatives/'))
    return !facts.alternatives.includes(path.slice(18).replace(/\.\d.*$/, ''))
  const unit = /^\/etc\/systemd\/system\/([^/]+)$/.exec(path)?.[1]
  if (unit === undefined) return path === '/etc/localtime' && /zoneinfo\/(?:Etc\/)?UTC$/.test(target)
  // A mask that somebody set is kept; an alias comes back with the unit that it is enabled with.
  return target !== '/dev/null' || facts.maskedByPackages.has(unit)
}

function conffileOf(facts: Facts, owner: string, path: string): string | undefined {
  return facts.packages.get(owner)?.conffiles.get(path)
}

/** What not everyone on that machine may read is closed for a reason. */
function whySecret(facts: Facts, entry: Entry): string | undefined {
  const closed = closedFolder(facts, entry.path)
  if (closed !== undefined) return `the folder ${closed} is closed to other users there`
  if ((entry.mode & 0o004) === 0) return 'it is closed to other users there'
  return secretName(entry.path)
}

function closedFolder(facts: Facts, path: string): string | undefined {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const folder = facts.entries.get(path.slice(0, end))
    if (folder !== undefined && (folder.mode & 0o001) === 0) return folder.path
  }
  return undefined
}

function emptyLink(path: string): Entry {
  return { path, kind: 'l', mode: 0o777, uid: 0, gid: 0, sizeBytes: 0, target: '/dev/null' }
}

function turnedOffFinding({ package: owner, path }: (typeof defaultLinks)[number]): Finding {
  return {
    code: 'file-removed',
    message: `${owner} makes it, and it was taken away there; here it leads to /dev/null`,
    where: path,
  }
}

function removedFindings(facts: Facts, image: ReadonlySet<string>): readonly Finding[] {
  const findings: Finding[] = []
  for (const one of facts.packages.values()) {
    if (!image.has(one.name)) continue
    for (const path of one.conffiles.keys())
      if (!facts.entries.has(path) && !facts.closed.some((closed) => path.startsWith(`${closed}/`)))
        findings.push({
          code: 'file-removed',
          message: `${one.name} ships it, and it was taken away there; the image has it`,
          where: path,
          hint: 'lay an empty file over it where that means the same',
        })
  }
  return findings
}

function refused(code: string, entry: Entry, message: string): Finding {
  return { code, message, where: entry.path }
}
