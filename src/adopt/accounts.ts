import type { Definition, Finding } from '../core/index.ts'
import type { Facts, UserRow } from './facts.ts'
import { systemUserFirst } from './limits.ts'
import type { PackagePlan } from './packages.ts'

type User = Definition['spec']['users'][number]

export interface AccountPlan {
  readonly users: readonly User[]
  /** Names that the image knows, whoever makes them. */
  readonly userNames: ReadonlySet<string>
  readonly groupNames: ReadonlySet<string>
  readonly findings: readonly Finding[]
}

const peopleFirst = 1_000
const numberMax = 59_999
const fitName = /^[a-z_][a-z0-9_-]{0,31}$/

/** People, and those system users that no package of the image makes. No password is read, and none is carried. */
export function planAccounts(facts: Facts, { image, strangers }: PackagePlan): AccountPlan {
  const findings: Finding[] = []
  const made = (name: string) => isMade(facts, name, (owner) => image.has(owner))
  // A user whose package an image does without is not missed; one of a stranger is, by who brings its files along.
  const unmissed = (name: string) => isMade(facts, name, (owner) => !strangers.has(owner))
  const wanted = facts.users.filter((user) => user.name !== 'nobody' && !unmissed(user.name))
  const fit = wanted.filter((user, index) => {
    const isNumber = Number.isInteger(user.uid) && user.uid >= 1 && user.uid <= numberMax
    // getpwnam(3) finds the first line of a name; the others are nobody.
    const isFirst = wanted.findIndex(({ name }) => name === user.name) === index
    if (fitName.test(user.name) && isNumber && isFirst) return true
    findings.push({ code: 'user-unfit', message: `${user.name} (${user.uid}) cannot be a user of an image` })
    return false
  })
  const packageGroups = facts.groups
    .map(({ name }) => name)
    .filter((name) => fitName.test(name) && made(name))
  const groupNames = new Set([...packageGroups, ...fit.map(({ name }) => name)])
  const users = numbered(fit, findings)
    // A group of another user must be there before who joins it.
    .map((user): User => ({ ...user, groups: groupsOf(facts, user.name, new Set(packageGroups), findings) }))
  findings.push(...users.flatMap((user) => numberFindings(facts, user)))
  const lone = facts.groups.filter(
    ({ name, members, gid }) =>
      !groupNames.has(name) && gid < 60_000 && (members.length > 0 || gid >= peopleFirst),
  )
  for (const { name, gid } of lone)
    findings.push({
      code: 'group-lost',
      message: `the group ${name} (${gid}) belongs to no package and is no user’s own`,
      hint: 'a definition makes a group with each user: give it a user of that name',
    })
  findings.push(...memberFindings(facts, new Set(users.map(({ name }) => name)), groupNames))
  const names = facts.users.map(({ name }) => name).filter((name) => fitName.test(name) && made(name))
  return { users, groupNames, userNames: new Set([...names, ...users.map(({ name }) => name)]), findings }
}

/** Debian's own list, a declaration in sysusers.d, or the scripts of a package that counts. */
function isMade(facts: Facts, name: string, counts: (owner: string) => boolean): boolean {
  if (facts.baseAccounts.has(name)) return true
  const number =
    facts.users.find((user) => user.name === name)?.uid ??
    facts.groups.find((group) => group.name === name)?.gid
  // A person may bear the name of a program that some script speaks of.
  if (number !== undefined && number >= peopleFirst && number <= numberMax) return false
  return (facts.makers.get(name) ?? []).some((maker) => counts(facts.owners.get(maker) ?? maker))
}

/** People keep their numbers. A system user's may be taken in the image, where packages give out numbers anew. */
function numbered(users: readonly UserRow[], findings: Finding[]): readonly User[] {
  const taken = new Set<number>()
  let next = systemUserFirst
  const sorted = users.toSorted((a, b) => a.uid - b.uid || (a.name < b.name ? -1 : 1))
  return sorted.map(({ name, uid, home, shell }) => {
    const own = uid >= peopleFirst && !taken.has(uid)
    const number = own ? uid : next++
    taken.add(number)
    if (!own)
      findings.push({
        code: 'user-renumbered',
        message: `${name} was ${uid} and is ${number}: packages of the image may give ${uid} to another`,
        hint: 'give files that come from elsewhere (a backup, NFS) to the new number',
      })
    return {
      ...{ name, uid: number, groups: [] },
      home: fitPath(home) ? home : '/nonexistent',
      shell: fitPath(shell) ? shell : '/usr/sbin/nologin',
    }
  })
}

function fitPath(path: string): boolean {
  return path.startsWith('/') && !path.split('/').includes('..')
}

function groupsOf(facts: Facts, name: string, known: ReadonlySet<string>, findings: Finding[]): string[] {
  const own = facts.users.find((user) => user.name === name)?.gid
  const groups = facts.groups.filter(
    (group) => group.name !== name && (group.members.includes(name) || group.gid === own),
  )
  const lost = groups.filter((group) => !known.has(group.name)).map((group) => group.name)
  if (lost.length > 0)
    findings.push({
      code: 'group-lost',
      message: `${name} was in ${lost.join(', ')}, which the image’s packages do not make`,
    })
  return groups
    .filter((group) => known.has(group.name))
    .map((group) => group.name)
    .toSorted()
}

function numberFindings(facts: Facts, user: User): readonly Finding[] {
  const before = facts.users.find(({ name }) => name === user.name)
  if (before === undefined || before.uid !== user.uid || before.gid === before.uid) return []
  return [
    {
      code: 'group-renumbered',
      message: `${user.name}’s own group was ${before.gid} and is ${user.uid}: in an image user and group have one number`,
    },
  ]
}

/** A package's own user in a group: its scripts may have put it there, or an administrator. */
function memberFindings(
  facts: Facts,
  adopted: ReadonlySet<string>,
  groupNames: ReadonlySet<string>,
): readonly Finding[] {
  return facts.groups
    .filter(({ name }) => groupNames.has(name))
    .flatMap(({ name, members }) =>
      members
        .filter((member) => !adopted.has(member))
        .map((member) => ({
          code: 'group-member',
          message: `${member} was in the group ${name}; in the image only where a package puts it there`,
        })),
    )
}
