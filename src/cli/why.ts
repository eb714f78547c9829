import { type AssignmentAnswer, type Client, type Node, parseAssignment, type Rollout } from '../api/index.ts'
import {
  type Digest,
  predicateType,
  type Reason,
  type ReleaseDocument,
  type Statement,
  shortDigest,
  type TrustRoot,
} from '../core/index.ts'
import { publicKeyDigest } from '../identity/index.ts'
import { bundlesOf, type OciRelease, readRelease } from '../oci/index.ts'
import { judgeAssignment, judgeEvidence, judgeRelease } from '../verify/index.ts'
import { adviceOn, sayReason } from './advice.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context, type Result } from './context.ts'
import { openSession } from './session.ts'
import { readTrust } from './trust.ts'

/**
 * One link of the chain from what runs to the commit. `proved`: a digest or a signature was checked here, against the
 * keys that the caller trusts; `reported`: the node or the server says so and nothing contradicts it.
 */
interface Link {
  readonly what: string
  readonly value: string
  readonly is: 'proved' | 'reported' | 'absent' | 'broken'
  readonly why?: string
}

/** What went otherwise than it should, by the node's or the server's own word: a reason, and to what it belongs. */
interface Notice {
  readonly what: 'order' | 'refused' | 'warning'
  /** `(1, 2) refused`: begins the sentence that the reason ends. */
  readonly about: string
  readonly reason: Reason
}

interface Material {
  readonly node: Node
  readonly rollout: Rollout | undefined
  readonly assignment: AssignmentAnswer | undefined
  readonly release: OciRelease
  readonly bundles: readonly Uint8Array[]
  readonly trust: TrustRoot
  readonly now: number
}

/** `ashlar why`: what runs on a node, and the proof behind each step back to the commit. */
export function addWhy({ command, act }: Registrar): void {
  command({
    usage: 'why <node>',
    summary:
      'explain what a node runs: root image ← slot ← assignment ← rollout ← signature ← release ← lock ← commit',
    about:
      'Walks the chain from the image that was measured at boot back to the commit, and says of each link whether it was proved here (✓), only reported (·), is missing (-) or is broken (✗). Below it (!) stands what the node refused or warns of, and why the server refuses the node. The keys in --trust are the ones you believe.',
    examples: ['why node-1 --trust examples/gateway'],
    see: ['verify', 'log'],
    exits: { 1: 'a link is broken or missing' },
  })
    .option('--trust <path>', 'a trust.json, or a definition’s folder: the keys that you believe', '.')
    .action(
      act<{ trust: string }>(async (context, [name = ''], { trust }) => {
        const material = await gather(context, name, await readTrust(context, trust))
        const links = [
          rootLink(material),
          slotLink(material),
          assignmentLink(material),
          rolloutLink(material),
          signatureLink(material),
          releaseLink(material.release),
          ...sourceLinks(material),
        ]
        return result(material.node, links, noticesOf(material.node))
      }),
    )
}

async function gather(context: Context, name: string, trust: TrustRoot): Promise<Material> {
  const session = await openSession(context)
  const answer = await session.client.why(name)
  const running = answer.node.status.observed?.running
  if (running === undefined)
    throw new CliError('resource-unknown', `${name} has not reported what it runs`, {
      hint: `ashlar get node ${name} --wait-for confirmed`,
      findings: noticesOf(answer.node).map(({ about, reason: { code, message } }) => ({
        ...{ code, message: `${about}: ${message}`, hint: adviceOn({ code }) },
      })),
    })
  const repository = session.repository(await repositoryOf(session.client, running.release))
  return {
    node: answer.node,
    rollout: answer.rollout,
    assignment: answer.assignment,
    release: await readRelease(repository, running.release),
    bundles: await bundlesOf(repository, running.release),
    trust,
    now: context.sys.clock.now(),
  }
}

async function repositoryOf(client: Client, digest: Digest): Promise<string> {
  const releases = await client.list('Release')
  const found = releases.find(({ spec }) => spec.digest === digest)
  if (found !== undefined) return found.spec.repository
  throw new CliError('resource-unknown', `the server has no release ${digest}`, {
    hint: 'push it: ashlar push REFERENCE',
  })
}

/** What the node says was measured before this boot, and whether the release's document names just that. */
function rootLink({ node, release }: Material): Link {
  const running = node.status.observed?.running
  const wanted = Object.values(release.document.disks).map((disk) => disk.root.digest)
  const value = `${running?.root} measured by ${running?.measuredBy}`
  return running !== undefined && wanted.includes(running.root)
    ? { what: 'root', value, is: 'reported' }
    : { what: 'root', value, is: 'broken', why: `the release's document names ${wanted.join(', ')}` }
}

function slotLink({ node }: Material): Link {
  const running = node.status.observed?.running
  return {
    what: 'slot',
    value: `${running?.slot}, ${running?.confirmed ? 'confirmed' : 'on trial'}`,
    is: 'reported',
  }
}

/** The order is judged as the node judged it, but for its age: that only matters when it is begun. */
function assignmentLink({ node, assignment, release, trust }: Material): Link {
  if (assignment === undefined)
    return { what: 'assignment', value: 'none: the machine was made with this release', is: 'absent' }
  const order = `(${assignment.order.epoch}, ${assignment.order.number})`
  const claims = parseAssignment(Buffer.from(assignment.envelope.payload, 'base64').toString())
  const verdict = judgeAssignment({
    envelope: assignment.envelope,
    trust,
    parse: parseAssignment,
    node: { name: node.metadata.name, keyDigest: publicKeyDigest(node.spec.publicKey) },
    last: undefined,
    now: claims.issuedAt,
  })
  if (verdict.is === 'refused')
    return { what: 'assignment', value: order, is: 'broken', why: verdict.reason.message }
  if (verdict.assignment.release !== release.digest)
    return { what: 'assignment', value: order, is: 'broken', why: `it orders ${verdict.assignment.release}` }
  return {
    what: 'assignment',
    value: `${order} signed by the director ${verdict.signers.join(', ')}`,
    is: 'proved',
  }
}

function rolloutLink({ rollout }: Material): Link {
  return rollout === undefined
    ? { what: 'rollout', value: 'none', is: 'absent' }
    : {
        what: 'rollout',
        value: `${rollout.metadata.name}: ${rollout.spec.intent} of ${rollout.spec.fleet}, ${rollout.status.phase}`,
        is: 'reported',
      }
}

function signatureLink({ release, bundles, trust }: Material): Link {
  const verdict = judgeRelease({ release: release.digest, bundles, trust })
  return verdict.is === 'verified'
    ? { what: 'signature', value: verdict.release.signers.join(', '), is: 'proved' }
    : { what: 'signature', value: 'none that counts', is: 'broken', why: verdict.reason.message }
}

/** `readRelease` has led every byte back to the digest. */
function releaseLink({ digest, document }: OciRelease): Link {
  return { what: 'release', value: `${document.name} ${document.version} ${digest}`, is: 'proved' }
}

/** The lock is named by the release itself; the commit by provenance that the release keys signed. */
function sourceLinks({ release, bundles, trust }: Material): Link[] {
  const { statements } = judgeEvidence({
    release: release.digest,
    bundles,
    trust,
    predicateType: predicateType.provenance,
  })
  return [
    { what: 'lock', value: release.document.lock, is: 'proved' },
    commitLink(statements, release.document),
  ]
}

/** One statement must name both: a commit from one and the lock from another would prove nothing. */
function commitLink(statements: readonly Statement[], { lock }: ReleaseDocument): Link {
  const sources = statements.map(({ predicate }) => dependenciesOf(predicate))
  const commitIn = (source: readonly Dependency[]) =>
    source.find(({ digest }) => digest?.gitCommit !== undefined)
  const ofLock = sources.filter((source) => source.some(({ digest }) => `sha256:${digest?.sha256}` === lock))
  const source = ofLock.find((one) => commitIn(one) !== undefined)
  const commit = commitIn(source ?? sources.flat())
  if (commit === undefined) return { what: 'commit', value: 'no signed provenance names one', is: 'absent' }
  const value = `${commit.digest?.gitCommit}${commit.annotations?.dirty === true ? ' with uncommitted changes' : ''}`
  return source === undefined
    ? { what: 'commit', value, is: 'broken', why: 'its provenance speaks of another lock' }
    : { what: 'commit', value, is: 'proved' }
}

interface Dependency {
  readonly digest?: { readonly gitCommit?: string; readonly sha256?: string }
  readonly annotations?: { readonly dirty?: boolean }
}

function dependenciesOf(predicate: unknown): readonly Dependency[] {
  const found = (predicate as { buildDefinition?: { resolvedDependencies?: unknown } }).buildDefinition
    ?.resolvedDependencies
  return Array.isArray(found) ? (found as Dependency[]) : []
}

/** Not part of the chain: what hinders a node now, and so tells why it does not run what it was told to. */
function noticesOf({ status: { refused, observed } }: Node): readonly Notice[] {
  const notices: Notice[] = []
  const { outcome, warnings = [] } = observed ?? {}
  if (outcome?.reason !== undefined) {
    const { epoch, number } = outcome.order
    const about = `(${epoch}, ${number}) to ${shortDigest(outcome.release)} ${outcome.is}`
    notices.push({ what: 'order', about, reason: outcome.reason })
  }
  if (refused !== undefined)
    notices.push({
      what: 'refused',
      about: `by the server, last at ${new Date(refused.at).toISOString()}`,
      reason: refused,
    })
  return [
    ...notices,
    ...warnings.map((reason) => ({ what: 'warning', about: 'of the node', reason }) as const),
  ]
}

/** `ok` when no link is broken and none is missing: what nobody ordered, or came from nowhere, is not proved. */
function result(node: Node, links: readonly Link[], notices: readonly Notice[]): Result {
  const broken = links.some((link) => link.is === 'broken')
  const missing = links.filter((link) => link.is === 'absent').map(({ what }) => what)
  const ok = !broken && missing.length === 0
  const mark = { proved: '✓', reported: '·', absent: '-', broken: '✗' }
  const lines = links.map(
    ({ what, value, is, why }) =>
      `${mark[is]} ${what.padEnd(10)} ${value}${why === undefined ? '' : `: ${why}`}`,
  )
  const said = notices.map(({ what, about, reason }) => `! ${what.padEnd(10)} ${about}: ${sayReason(reason)}`)
  const answer = broken ? 'NO' : ok ? 'yes' : `not proved, there is no ${missing.join(', no ')}`
  return {
    json: { node: node.metadata.name, ok, links, notices },
    text: [`${node.metadata.name} runs what it was told to run: ${answer}`, ...lines, ...said].join('\n'),
    ...(!ok && { exitCode: 1 }),
  }
}
