import { stringify as printYaml } from 'yaml'
import { type Client, type Kind, kindPaths, type Node, type Resource } from '../api/index.ts'
import { asOneStep } from '../core/index.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context, type Result } from './context.ts'
import { openSession } from './session.ts'
import { table } from './table.ts'

/** How long `--wait-for` waits. */
const waitMsDefault = 120_000

/** `ashlar get`: resources of the server. */
export function addGet({ command, act }: Registrar): void {
  command({
    usage: 'get <kind> [name]',
    summary: 'list resources of a kind (nodes, fleets, releases, rollouts), or print one',
    about:
      'Without a name a table of all, with a name the whole resource. A node’s row is what the node last reported.',
    examples: ['get nodes', 'get node node-1 --wait-for confirmed'],
    see: ['apply', 'why'],
  })
    .option('--wait-for <state>', 'with a node: wait until it runs a release that is "confirmed"')
    .action(
      act<{ waitFor?: string }>(async (context, [kindText = '', name], { waitFor }) => {
        const kind = parseKind(kindText)
        const { client } = await openSession(context)
        if (name === undefined) return listing(context, kind, await client.list(kind))
        if (waitFor === undefined) return whole(await client.get(kind, name))
        if (kind !== 'Node' || waitFor !== 'confirmed')
          throw new CliError('usage', 'only a node can be waited for, until it is confirmed', {
            hint: 'get node NAME --wait-for confirmed',
          })
        const node = await asOneStep(context.progress, `wait for ${name}`, () =>
          confirmedNode(context, client, name),
        )
        return { ...listing(context, kind, [node]), json: node }
      }),
    )
}

/** @throws CliError `timed-out` */
async function confirmedNode(context: Context, client: Client, name: string): Promise<Node> {
  const limit = AbortSignal.any([context.signal, AbortSignal.timeout(waitMsDefault)])
  for await (const node of client.watch('Node', name, limit))
    if (node.status.observed?.running.confirmed) return node
  throw new CliError('timed-out', `${name} was not confirmed within ${waitMsDefault / 1_000} s`, {
    hint: `look at its console: ashlar machine console ${name} --log`,
  })
}

/** `node`, `nodes` and `Node` are the same. @throws CliError `usage` */
function parseKind(text: string): Kind {
  const found = (Object.entries(kindPaths) as [Kind, string][]).find(([kind, path]) =>
    [kind.toLowerCase(), path].includes(text.toLowerCase()),
  )
  if (found !== undefined) return found[0]
  throw new CliError('usage', `no kind ${JSON.stringify(text)}`, {
    hint: `use one of ${Object.values(kindPaths).join(', ')}`,
  })
}

function whole(resource: Resource): Result {
  return { json: resource, text: printYaml(resource).trimEnd() }
}

function listing({ terminal }: Context, kind: Kind, resources: readonly Resource[]): Result {
  const titles = {
    Node: ['name', 'release', 'slot', 'confirmed', 'assigned', 'labels'],
    Fleet: ['name', 'image', 'release', 'nodes'],
    Release: ['name', 'image', 'version', 'digest'],
    Rollout: ['name', 'fleet', 'release', 'intent', 'phase', 'wave'],
  }[kind]
  const rows = resources.map(rowOf)
  return {
    json: resources,
    text: rows.length === 0 ? `no ${kindPaths[kind]}` : table(titles, rows, terminal.columns),
  }
}

const short = (digest: string | undefined) => digest?.slice(7, 19) ?? '-'
const labelText = (labels: Record<string, string>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

function rowOf(resource: Resource): string[] {
  const { name, labels } = resource.metadata
  switch (resource.kind) {
    case 'Node': {
      const { observed, assigned } = resource.status
      return [
        name,
        short(observed?.running.release),
        observed?.running.slot ?? '-',
        observed === undefined ? '-' : String(observed.running.confirmed),
        short(assigned?.release),
        labelText(labels),
      ]
    }
    case 'Fleet':
      return [
        name,
        resource.spec.image,
        short(resource.status.release),
        labelText(resource.spec.nodes.matchLabels),
      ]
    case 'Release':
      return [name, resource.spec.image, resource.spec.version, resource.spec.digest]
    case 'Rollout':
      return [
        name,
        resource.spec.fleet,
        short(resource.spec.release),
        resource.spec.intent,
        resource.status.phase,
        `${resource.status.wave + 1}/${resource.status.waves}`,
      ]
  }
}
