import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Kind, kindPaths, type Node, type ResourceOf } from '../api/index.ts'
import { AshlarError, hasCanonicalForm, readTolerantly } from '../core/index.ts'
import type { Director } from '../fleet/index.ts'
import type { Store } from '../store/index.ts'
import type { Sys } from '../sys/index.ts'
import type { Changes } from './changes.ts'
import { ServerError } from './errors.ts'
import { waitSecondsMax, writeTriesMax } from './limits.ts'
import type { Principal, Role } from './principal.ts'

/** What the routes work with. */
export interface Parts {
  readonly sys: Sys
  readonly store: Store
  readonly director: Director
  readonly changes: Changes
  /** When each node last asked for anything. In memory: it would be a write for each question. */
  readonly lastSeen: Map<string, number>
  /** Why each node was refused last, until it is let in again. In memory, as well. */
  readonly refused: Map<string, NonNullable<Node['status']['refused']>>
  /** Aborts when the server ends. */
  readonly closing: AbortSignal
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route. A route that names nobody is closed to all. */
    allow?: readonly Role[] | 'anyone'
  }
  interface FastifyRequest {
    principal: Principal | undefined
  }
}

/** The configuration of a route that these may use. */
export function allow(...roles: readonly Role[]) {
  return { config: { allow: roles } }
}

/** A schema, as far as it is used here. */
interface Parser<Output> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: Output }
    | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } }
}
interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** @throws ServerError `request-invalid`, naming every field that is wrong */
export function parseAs<Output>(schema: Parser<Output>, value: unknown): Output {
  return required(schema.safeParse(value))
}

/** The same, but for facts: fields that only a newer sender knows are passed over. @throws ServerError `request-invalid` */
export function parseFactsAs<Schema extends Parameters<typeof readTolerantly>[0]>(
  schema: Schema,
  value: unknown,
) {
  return required(readTolerantly(schema, value))
}

function required<Output>(result: ReturnType<Parser<Output>['safeParse']>): Output {
  if (result.success) {
    // What is stored is compared by its canonical form.
    if (hasCanonicalForm(result.data)) return result.data
    throw new ServerError('request-invalid', 'the request holds half a character or a number without end')
  }
  const why = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
  throw new ServerError('request-invalid', `the request cannot be read: ${why.join('; ')}`)
}

/** @throws ServerError `resource-unknown` */
export async function existing<K extends Kind>(
  { store }: Pick<Parts, 'store'>,
  kind: K,
  name: string,
): Promise<ResourceOf<K>> {
  const resource = await store.get(kind, name)
  if (resource !== undefined) return resource
  throw new ServerError('resource-unknown', `there is no ${kind} ${name}`, {
    hint: `ashlar get ${kindPaths[kind]} shows which there are`,
  })
}

/** Who sent this request; the hook before every route has found out. */
export function actorOf(request: FastifyRequest): string {
  if (request.principal === undefined) throw new Error('a route was reached without a principal')
  return request.principal.actor
}

/** Aborts when the client is gone or the server ends: then nobody waits for the answer any more. */
export function abandoned(parts: Parts, reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return AbortSignal.any([parts.closing, gone.signal])
}

export function waitMsOf(waitSeconds: number | undefined): number {
  return Math.min(waitSeconds ?? 0, waitSecondsMax) * 1_000
}

/** Reads and writes again as long as another writer wins in between. @throws the last `conflict` */
export async function retried<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const lost = error instanceof AshlarError && error.code === 'conflict'
      if (!lost || tries >= writeTriesMax) throw error
    }
  }
}
