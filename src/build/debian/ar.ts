import type { Refuse } from './hostile.ts'

export interface ArMember {
  readonly name: string
  readonly offset: number
  readonly sizeBytes: number
}

const magic = '!<arch>\n'
const headerBytes = 60

/** Reads bytes of a file at an offset; fewer only at its end. */
export type ReadAt = (offset: number, count: number) => Promise<Uint8Array>

/** The members of a Debian package, whose order deb(5) fixes; names that begin with `_` may stand between and after. */
export async function readArMembers(
  read: ReadAt,
  sizeBytes: number,
  refuse: Refuse,
): Promise<readonly ArMember[]> {
  if (latin1(await read(0, magic.length)) !== magic) throw refuse('is no Debian package')
  const members: ArMember[] = []
  for (let at = magic.length; at < sizeBytes; ) {
    const member = parseMember(latin1(await read(at, headerBytes)), at + headerBytes, refuse)
    const end = member.offset + member.sizeBytes
    at = end + (end % 2)
    if (at > sizeBytes) throw refuse('is cut off')
    if (members.push(member) > membersMax) throw refuse('has too many members')
  }
  const names = members.map(({ name }) => name).filter((name) => !name.startsWith('_'))
  if (!/^debian-binary control\.tar(\.gz|\.xz|\.zst)? data\.tar(\.gz|\.xz|\.zst)?$/.test(names.join(' ')))
    throw refuse(`has other members than deb(5) names: ${JSON.stringify(names)}`)
  await requireVersion(members[0], read, refuse)
  return members
}

/** deb(5) names three; more than these few are made by nobody. */
const membersMax = 16

function parseMember(header: string, offset: number, refuse: Refuse): ArMember {
  const found =
    /^(\S{1,16}) *(?<=^.{16})[0-9 ]{12}[0-9 ]{6}[0-9 ]{6}[0-7 ]{8}([0-9]{1,10}) *(?<=^.{58})`\n$/.exec(header)
  if (found === null) throw refuse('has a member whose header cannot be read, or something after its end')
  const [, name = '', size] = found
  return { name: name.replace(/\/$/, ''), offset, sizeBytes: Number(size) }
}

async function requireVersion(first: ArMember | undefined, read: ReadAt, refuse: Refuse): Promise<void> {
  if (first?.name !== 'debian-binary') throw refuse('does not begin with debian-binary')
  if (first.sizeBytes !== 4 || latin1(await read(first.offset, first.sizeBytes)) !== '2.0\n')
    throw refuse('has a format other than 2.0')
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
