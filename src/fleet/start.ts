import type { Fleet, Node, Release, Rollout } from '../api/index.ts'
import { type Digest, digestHex, isDigest } from '../core/index.ts'
import { FleetError } from './errors.ts'
import { membersOf, waveEnds } from './waves.ts'

/** Hex digits of a digest in the name of a Release resource: unmistakable, and within the length of a name. */
const releaseNameHexLength = 40

/** The resource name of a release: its digest, shortened to what a name may hold. */
export function releaseName(digest: Digest): string {
  return `sha256.${digestHex(digest).slice(0, releaseNameHexLength)}`
}

export interface StartInput {
  readonly fleet: Fleet
  readonly release: Release
  readonly intent: 'update' | 'revert'
  readonly nodes: readonly Node[]
  readonly rollouts: readonly Rollout[]
  readonly now: number
}

/**
 * The rollout as it begins, with each of the fleet's nodes in its wave.
 * @throws FleetError `rollout-running`, `release-of-other-image`, `fleet-empty`, `node-busy`
 */
export function newRollout(input: StartInput): Rollout {
  const { fleet, release, intent, now } = input
  const members = membersOf(fleet, input.nodes)
  refuse(input, members)
  const ends = waveEnds(fleet.spec.rollout.waves, members.length)
  const waveOf = (index: number) => ends.findIndex((end) => index < end)
  return {
    apiVersion: 'ashlar/v1',
    kind: 'Rollout',
    metadata: { name: nextName(fleet.metadata.name, input.rollouts), labels: {} },
    spec: {
      fleet: fleet.metadata.name,
      release: release.spec.digest,
      repository: release.spec.repository,
      intent,
    },
    status: {
      phase: 'running',
      wave: 0,
      waves: ends.length,
      nodes: Object.fromEntries(
        members.map((node, index) => [node.metadata.name, { wave: waveOf(index), state: 'waiting' }]),
      ),
      startedAt: now,
    },
  }
}

/** The digest that a request for a rollout means. @throws FleetError `release-missing`, `release-unknown`, `nothing-to-revert` */
export function wantedRelease(
  fleet: Fleet,
  intent: 'update' | 'revert',
  release: string | undefined,
): Digest {
  if (release !== undefined) {
    if (isDigest(release)) return release
    throw new FleetError('release-unknown', `${JSON.stringify(release)} is not a digest`, {
      hint: 'name the release by its sha256:… digest: ashlar get releases',
    })
  }
  if (intent === 'update') throw new FleetError('release-missing', 'an update needs the digest of a release')
  if (fleet.status.previous !== undefined) return fleet.status.previous
  throw new FleetError('nothing-to-revert', `no earlier release of fleet ${fleet.metadata.name} is known`, {
    hint: `name one by its digest: ashlar rollout revert ${fleet.metadata.name} sha256:…`,
  })
}

function refuse({ fleet, release, rollouts }: StartInput, members: readonly Node[]): void {
  const { name } = fleet.metadata
  const running = rollouts.filter((rollout) => rollout.status.phase === 'running')
  const own = running.find((rollout) => rollout.spec.fleet === name)?.metadata.name
  if (own !== undefined)
    throw new FleetError('rollout-running', `rollout ${own} of fleet ${name} is still running`, {
      hint: `wait for it with: ashlar rollout watch ${own}`,
    })
  if (release.spec.image !== fleet.spec.image)
    throw new FleetError(
      'release-of-other-image',
      `fleet ${name} runs ${fleet.spec.image}, and ${release.spec.digest} is a release of ${release.spec.image}`,
    )
  if (members.length === 0)
    throw new FleetError('fleet-empty', `no node has the labels of fleet ${name}`, {
      hint: 'ashlar get nodes shows which labels the nodes have',
    })
  for (const { metadata } of members) {
    const other = running.find((rollout) => rollout.status.nodes[metadata.name] !== undefined)
    if (other !== undefined)
      throw new FleetError(
        'node-busy',
        `node ${metadata.name} takes part in rollout ${other.metadata.name} of fleet ${other.spec.fleet}`,
        { hint: `wait for it with: ashlar rollout watch ${other.metadata.name}` },
      )
  }
}

/** `<fleet>-<n>`, one more than the highest. Two that start at once get one name, and so only one of them is stored. */
function nextName(fleet: string, rollouts: readonly Rollout[]): string {
  const numbers = rollouts
    .filter((rollout) => rollout.spec.fleet === fleet)
    .map((rollout) => Number(rollout.metadata.name.slice(fleet.length + 1)))
  return `${fleet}-${Math.max(0, ...numbers) + 1}`
}
