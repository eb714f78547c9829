import type { Kind, Resource, Rollout } from '../api/index.ts'
import type { Store } from '../store/index.ts'
import { ServerError } from './errors.ts'
import { existing, retried } from './parts.ts'

/** What to remove, for whom; with a version only if that is still the current one. */
export interface Removal {
  readonly kind: Kind
  readonly name: string
  readonly version: number | undefined
  readonly actor: string
}

/** Removes what no rollout needs any more. @throws ServerError `resource-unknown`, `in-use`, StoreError `conflict` */
export function remove(store: Store, { kind, name, version: wanted, actor }: Removal): Promise<void> {
  return retried(async () => {
    // A rollout that starts meanwhile is seen at the next try.
    const asOf = await store.sequence()
    const resource = await existing({ store }, kind, name)
    await requireUnused(store, resource)
    const version = wanted ?? resource.metadata.version ?? 0
    const action = `${kind.toLowerCase()}.remove`
    await store.commit({ changes: [{ remove: { kind, name, version }, actor, action, detail: null }], asOf })
  })
}

async function requireUnused(store: Store, resource: Resource): Promise<void> {
  if (resource.kind === 'Node') return
  const rollouts = await store.list('Rollout')
  const user = await userOf(store, resource, rollouts)
  if (user === undefined) return
  throw new ServerError('in-use', `${resource.kind} ${resource.metadata.name} is in use by ${user}`, {
    hint:
      resource.kind === 'Rollout'
        ? 'it is kept as long as it is its fleet’s newest; remove the fleet first'
        : 'wait until the rollout has ended, or end it with: ashlar rollout halt ROLLOUT',
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
