import type { Finding } from '../core/index.ts'
import type { Entry, Facts } from './facts.ts'
import { fileBytesMax, treeBytesMax, treeFilesMax } from './limits.ts'
import { foldersOf } from './paths.ts'
import { defaultLinks, isGenerated, treeOf, whyStays } from './places.ts'
import { secretName } from './secrets.ts'

export interface Choice {
  /** Files and links that may come along, once their content was seen. */
  readonly candidates: readonly Entry[]
  readonly findings: readonly Finding[]
}

type Judgement = 'as shipped' | 'candidate' | Finding

/** Every entry that differs from what the packages of the image will put there. Content is not seen yet. */
export function chooseFiles(facts: Facts, image: ReadonlySet<string>): Choice {
  const candidates: Entry[] = []
  const findings: Finding[] = []
  const changed = new Set(facts.changed.map(({ path }) => path))
  const large = largeTrees(facts)
  for (const path of [...facts.entries.keys()].toSorted()) {
    const entry = facts.entries.get(path)
    if (entry === undefined || entry.kind === 'd' || large.has(treeOf(path) ?? '')) continue
    const judgement = judge({ facts, image, changed }, entry)
    if (judgement === 'candidate') candidates.push(entry)
    else if (judgement !== 'as shipped') findings.push(judgement)
  }
  const off = defaultLinks.filter(({ package: owner, path }) => image.has(owner) && !facts.entries.has(path))
  return {
    candidates: [...candidates, ...off.map(({ path }) => emptyLink(path))],
    findings: [
      ...findings,
      ...[...large].map(([where, files]) => largeFinding(where, files)),
      ...off.map(offFinding),
      ...removedFindings(facts, image),
    ],
  }
}

/** Folders of software or data that somebody put there whole: a part of one would be of no use. */
function largeTrees(facts: Facts): ReadonlyMap<string, number> {
  const sizes = new Map<string, { files: number; sizeBytes: number }>()
  for (const { path, kind, sizeBytes } of facts.entries.values()) {
    const tree = treeOf(path)
    if (tree === undefined || kind === 'd' || facts.owners.has(path) || isGenerated(path)) continue
    const size = sizes.get(tree) ?? { files: 0, sizeBytes: 0 }
    sizes.set(tree, { files: size.files + 1, sizeBytes: size.sizeBytes + sizeBytes })
  }
  const isLarge = (size: { files: number; sizeBytes: number }) =>
    size.files > treeFilesMax || size.sizeBytes > treeBytesMax
  return new Map([...sizes].flatMap(([tree, size]) => (isLarge(size) ? [[tree, size.files]] : [])))
}

/** The folders that are looked into; one that is a link leads to a disk of data, as a rule. */
const areas = new Set(['/etc', '/opt', '/srv', '/usr/local'])

interface Ground {
  readonly facts: Facts
  readonly image: ReadonlySet<string>
  /** Of those that their packages have a checksum of. */
  readonly changed: ReadonlySet<string>
}

function judge(ground: Ground, entry: Entry): Judgement {
  const { facts, image, changed } = ground
  const { path, kind } = entry
  if (areas.has(path))
    return refused('folder-unknown', entry, `it leads to ${entry.target}, which was not looked into`)
  if (isGenerated(path)) return 'as shipped'
  const owner = facts.owners.get(path)
  if (isAsShipped(ground, entry, owner)) return 'as shipped'
  const stays = whyStays(path)
  if (stays !== undefined) return { ...stays, where: path }
  if (owner !== undefined && !image.has(owner))
    return refused('file-of-left-out', entry, `it belongs to ${owner}, which stays behind`)
  if (kind === 'l') return 'candidate'
  if (kind !== 'f') return refused('file-special', entry, 'a device, socket or pipe is made at run time')
  if (owner !== undefined && !facts.md5.has(path) && !changed.has(path))
    return refused('unread', entry, `this user may not read it: ${owner} ships it, it may be changed`)
  const secret = whySecret(facts, entry)
  if (secret !== undefined) return refused('secret', entry, secret)
  if (entry.sizeBytes > fileBytesMax)
    return refused('file-large', entry, `it has ${(entry.sizeBytes / 1e6).toFixed(0)} MB`)
  return 'candidate'
}

/** Whether a package of the image puts the same there, at its installation or by one of its scripts. */
function isAsShipped({ facts, changed }: Ground, entry: Entry, owner: string | undefined): boolean {
  const { path, kind, target } = entry
  const md5 = facts.md5.get(path)
  if (kind === 'l') return owner !== undefined || isLinkOfScripts(facts, path, target)
  const shipped = owner === undefined ? undefined : facts.packages.get(owner)?.conffiles.get(path)
  if (shipped !== undefined) return md5 === shipped
  if (owner !== undefined) return !changed.has(path)
  return md5 !== undefined && (facts.ucf.get(path) === md5 || facts.templates.has(md5))
}

function isLinkOfScripts(facts: Facts, path: string, target: string): boolean {
  const alternative = /^\/etc\/alternatives\/(.*?)(?:\.\d.*)?$/.exec(path)?.[1]
  if (alternative !== undefined) return !facts.alternatives.includes(alternative)
  const unit = /^\/etc\/systemd\/system\/([^/]+)$/.exec(path)?.[1]
  if (unit === undefined) return path === '/etc/localtime' && /zoneinfo\/(?:Etc\/)?UTC$/.test(target)
  // A mask that somebody set is kept; an alias comes back with the unit that it is enabled with.
  return target !== '/dev/null' || facts.maskedByPackages.has(unit)
}

/** What not everyone on that machine may read is closed for a reason. */
function whySecret(facts: Facts, entry: Entry): string | undefined {
  const closed = closedFolder(facts, entry.path)
  if (closed !== undefined) return `the folder ${closed} is closed to other users there`
  if ((entry.mode & 0o004) === 0) return 'it is closed to other users there'
  return secretName(entry.path)
}

function closedFolder(facts: Facts, path: string): string | undefined {
  return foldersOf(path).find((folder) => ((facts.entries.get(folder)?.mode ?? 0o001) & 0o001) === 0)
}

function removedFindings(facts: Facts, image: ReadonlySet<string>): readonly Finding[] {
  const isHidden = (path: string) => facts.closed.some((closed) => path.startsWith(`${closed}/`))
  return [...facts.packages.values()]
    .filter(({ name }) => image.has(name))
    .flatMap(({ name, conffiles }) =>
      [...conffiles.keys()]
        .filter((path) => !facts.entries.has(path) && !isGenerated(path) && !isHidden(path))
        .map((where) => ({
          code: 'file-removed',
          message: `${name} ships it, and it was taken away there; the image has it`,
          where,
          hint: 'lay an empty file over it where that means the same',
        })),
    )
}

function emptyLink(path: string): Entry {
  return { path, kind: 'l', mode: 0o777, uid: 0, gid: 0, sizeBytes: 0, target: '/dev/null' }
}

function offFinding({ package: owner, path }: (typeof defaultLinks)[number]): Finding {
  const message = `${owner} makes it, and it was taken away there; here it leads to /dev/null`
  return { code: 'file-removed', message, where: path }
}

function largeFinding(where: string, files: number): Finding {
  return {
    code: 'tree-large',
    message: `${files} files that no package owns; none of them is carried over`,
    where,
    hint: 'make a package of it, or lay it over the image with an entry of its own in spec.files',
  }
}

function refused(code: string, entry: Entry, message: string): Finding {
  return { code, message, where: entry.path }
}
