import type { Resource, Rollout } from '../api/index.ts'
import type { Store } from '../store/index.ts'
import { ServerError } from './errors.ts'

/** Refuses to remove what a rollout still needs. @throws ServerError `in-use` */
export async function requireUnused(store: Store, resource: Resource): Promise<void> {
  if (resource.kind === 'Node') return
  const rollouts = await store.list('Rollout')
  const user = await userOf(store, resource, rollouts)
  if (user === undefined) return
  throw new ServerError('in-use', `${resource.kind} ${resource.metadata.name} is in use by ${user}`, {
    hint: 'wait until the rollout has ended, or remove the fleet first',
  })
}

async function userOf(
  store: Store,
  resource: Exclude<Resource, { kind: 'Node' }>,
  rollouts: readonly Rollout[],
): Promise<string | undefined> {
  const open = rollouts.filter((rollout) => rollout.status.endedAt === undefined)
  switch (resource.kind) {
    case 'Fleet':
      return nameOf(open.find((rollout) => rollout.spec.fleet === resource.metadata.name))
    case 'Release':
      return nameOf(open.find((rollout) => rollout.spec.release === resource.spec.digest))
    case 'Rollout': {
      // Its newest rollout tells what a fleet's nodes were ordered to, and the next one's number follows from it.
      const { fleet } = resource.spec
      const later = rollouts.some((r) => r.spec.fleet === fleet && numberOf(r) > numberOf(resource))
      const needed = !later || resource.status.endedAt === undefined
      return needed && (await store.get('Fleet', fleet)) !== undefined ? `fleet ${fleet}` : undefined
    }
  }
}

function nameOf(rollout: Rollout | undefined): string | undefined {
  return rollout && `rollout ${rollout.metadata.name}`
}

function numberOf({ metadata, spec }: Rollout): number {
  return Number(metadata.name.slice(spec.fleet.length + 1))
}
