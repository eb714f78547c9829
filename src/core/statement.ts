import { type Digest, digestHex, isDigest } from './digest.ts'
import { AshlarError } from './errors.ts'

export const statementType = 'https://in-toto.io/Statement/v1'

/** An in-toto statement v1: a claim (`predicate`) about the things in `subject`. */
export interface Statement<Predicate = unknown> {
  readonly _type: typeof statementType
  readonly subject: readonly { readonly name?: string; readonly digest: { readonly sha256: string } }[]
  readonly predicateType: string
  readonly predicate: Predicate
}

export class StatementError extends AshlarError<'statement-malformed'> {}

/** A statement about one release. `name` is for people; the digest is what counts. */
export function statementAbout<Predicate>(
  release: Digest,
  name: string,
  predicateType: string,
  predicate: Predicate,
): Statement<Predicate> {
  return {
    _type: statementType,
    subject: [{ name, digest: { sha256: digestHex(release) } }],
    predicateType,
    predicate,
  }
}

/** Reads a statement from the payload of an envelope. @throws StatementError `statement-malformed` */
export function parseStatement(text: string): Statement {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new StatementError('statement-malformed', 'the statement is not JSON', { cause })
  }
  if (!isRecord(value) || value._type !== statementType) throw malformed(`its _type is not ${statementType}`)
  if (typeof value.predicateType !== 'string') throw malformed('it names no predicateType')
  if (!Array.isArray(value.subject) || value.subject.length === 0) throw malformed('it has no subject')
  for (const subject of value.subject as unknown[]) {
    const sha256 = isRecord(subject) && isRecord(subject.digest) ? subject.digest.sha256 : undefined
    if (typeof sha256 !== 'string' || !isDigest(`sha256:${sha256}`))
      throw malformed('a subject has no sha256 digest')
  }
  return value as unknown as Statement
}

/** Whether the statement speaks of this release. */
export function isAbout(statement: Statement, release: Digest): boolean {
  return statement.subject.some((subject) => subject.digest.sha256 === digestHex(release))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(why: string): StatementError {
  return new StatementError('statement-malformed', `not an in-toto statement: ${why}`)
}
