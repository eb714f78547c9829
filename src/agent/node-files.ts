import { z } from 'zod'
import {
  type Digest,
  isDigest,
  jsonOf,
  parseTrustRoot,
  readTolerantly,
  slotNames,
  type TrustRoot,
} from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { AgentError } from './errors.ts'
import { readText } from './files.ts'

/** Where things are on a node. A test has other places. */
export interface NodePaths {
  /** Read-only, part of the image. */
  readonly image: string
  readonly localHooks: string
  /** The node's own, under `/var`. */
  readonly state: string
  /** What is gone after a boot. */
  readonly runtime: string
  readonly disk: string
  /** `$CREDENTIALS_DIRECTORY`, where systemd puts what the unit asked for. */
  readonly credentials: string
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

/** What the launcher says of this boot, in the systemd credential `ashlar.boot`. */
export const bootFactsSchema = z.strictObject({
  node: z.string().min(1),
  slot: z.enum(slotNames),
  release: digest,
  /** The root image's digest as it was measured before the boot. */
  root: digest,
  measuredBy: z.enum(['launcher', 'dm-verity']),
  /** Install number of the entry that was booted. */
  install: z.int().min(1),
})
export type BootFacts = z.infer<typeof bootFactsSchema>

/** @throws AgentError `credential-missing`, `credential-malformed` */
export async function readBootFacts(sys: Sys, paths: NodePaths): Promise<BootFacts> {
  const where = `${paths.credentials}/ashlar.boot`
  const text = await readText(sys, where)
  if (text === undefined)
    throw new AgentError(
      'credential-missing',
      'what started this machine did not say which slot it runs from',
      {
        where,
        hint: 'the unit needs LoadCredential=ashlar.boot, and the machine a launcher of this version',
      },
    )
  const facts = readTolerantly(bootFactsSchema, jsonOf(text))
  if (facts.success) return facts.data
  throw new AgentError('credential-malformed', 'the boot facts cannot be read', { where, cause: facts.error })
}

/** Whom this node believes: part of the image that runs. */
export async function readTrustRoot(sys: Sys, paths: NodePaths): Promise<TrustRoot> {
  const where = `${paths.image}/trust.json`
  return parseTrustRoot(await sys.disk.readFile(where, 'utf8'), where)
}
