import type { Definition } from '../../core/index.ts'
import { BuildError } from '../errors.ts'
import { type Attributes, type LaidTree, rootFile } from './laid-tree.ts'

type User = Definition['spec']['users'][number]

interface Databases {
  readonly passwd: readonly string[]
  readonly group: readonly string[]
  readonly shadow: readonly string[]
  readonly gshadow: readonly string[]
}

const secondsADay = 86_400

/** Adds the definition's users to the image's databases. No password of theirs is ever valid. @throws BuildError `user-conflict` */
export async function addUsers(tree: LaidTree, users: readonly User[], epochSeconds: number): Promise<void> {
  if (users.length === 0) return
  const shadowOwner: Attributes = {
    mode: 0o640,
    uid: 0,
    gid: groupOf(await lines(tree, 'group'), 'shadow') ?? 0,
  }
  const before: Databases = {
    passwd: await lines(tree, 'passwd'),
    group: await lines(tree, 'group'),
    shadow: await lines(tree, 'shadow'),
    gshadow: await lines(tree, 'gshadow'),
  }
  const after = users.reduce((databases, user) => withUser(databases, user, epochSeconds), before)
  for (const name of ['passwd', 'group', 'shadow', 'gshadow'] as const)
    await tree.writeFile(
      `/etc/${name}`,
      `${after[name].join('\n')}\n`,
      name.endsWith('shadow') ? shadowOwner : rootFile,
    )
}

export function withUser(before: Databases, user: User, epochSeconds: number): Databases {
  const { name, uid, groups, home, shell } = user
  const taken = [...before.passwd, ...before.group].find((line) => {
    const [other, , id] = line.split(':')
    return other === name || id === String(uid)
  })
  if (taken !== undefined)
    throw new BuildError(
      'user-conflict',
      `${name} (${uid}) is taken in the image by ${taken.split(':')[0]}`,
      {
        where: `ashlar.yaml spec.users ${name}`,
        hint: 'choose another name and uid',
      },
    )
  const unknown = groups.find((group) => groupOf(before.group, group) === undefined)
  if (unknown !== undefined)
    throw new BuildError('owner-unknown', `the image has no group ${unknown}`, {
      where: `ashlar.yaml spec.users ${name}`,
    })
  const join = (line: string) => {
    const fields = line.split(':')
    const members = (fields[3] ?? '').split(',').filter(Boolean)
    return groups.includes(fields[0] ?? '')
      ? [...fields.slice(0, 3), [...members, name].join(',')].join(':')
      : line
  }
  const day = Math.floor(epochSeconds / secondsADay)
  return {
    passwd: [...before.passwd, `${name}:x:${uid}:${uid}::${home}:${shell}`],
    group: [...before.group.map(join), `${name}:x:${uid}:`],
    shadow: [...before.shadow, `${name}:!*:${day}::::::`],
    gshadow: [...before.gshadow.map(join), `${name}:!*::`],
  }
}

/** Finds the numbers of `user:group` in the image. @throws BuildError `owner-unknown` */
export async function ownerOf(tree: LaidTree, owner: string): Promise<{ uid: number; gid: number }> {
  const [user = '', group = ''] = owner.split(':')
  const uid = groupOf(await lines(tree, 'passwd'), user)
  const gid = groupOf(await lines(tree, 'group'), group)
  if (uid !== undefined && gid !== undefined) return { uid, gid }
  throw new BuildError(
    'owner-unknown',
    `the image has no ${uid === undefined ? `user ${user}` : `group ${group}`}`,
    {
      where: 'ashlar.yaml spec.files',
      hint: 'add it to spec.users, or install the package that brings it',
    },
  )
}

/** The number in the third field of the line that begins with `name`: of passwd the user's, of group the group's. */
function groupOf(database: readonly string[], name: string): number | undefined {
  const line = database.find((candidate) => candidate.startsWith(`${name}:`))
  return line === undefined ? undefined : Number(line.split(':')[2])
}

async function lines(tree: LaidTree, name: string): Promise<readonly string[]> {
  const text = await tree.readText(`/etc/${name}`)
  return (text ?? '').split('\n').filter(Boolean)
}
