import { isRepository } from '../core/index.ts'
import { RegistryError } from './errors.ts'
import { urlLengthMax } from './limits.ts'

/** The end points of distribution-spec 1.1. `of` is a tag, a digest or an upload's id, not yet parsed. */
export type Route =
  | { readonly is: 'base' }
  | {
      readonly is: 'blob' | 'manifest' | 'referrers' | 'upload'
      readonly repository: string
      readonly of: string
    }
  | { readonly is: 'uploads' | 'tags'; readonly repository: string }

const patterns = [
  ['uploads', /^(.+)\/blobs\/uploads\/?$/],
  ['upload', /^(.+)\/blobs\/uploads\/([^/]+)$/],
  ['blob', /^(.+)\/blobs\/([^/]+)$/],
  ['manifest', /^(.+)\/manifests\/([^/]+)$/],
  ['tags', /^(.+)\/tags\/list$/],
  ['referrers', /^(.+)\/referrers\/([^/]+)$/],
] as const

/** @throws RegistryError `route-unknown`, `name-invalid` */
export function parseRoute(target: string | undefined): {
  readonly route: Route
  readonly query: URLSearchParams
} {
  const text = target ?? ''
  const cut = text.includes('?') ? text.indexOf('?') : text.length
  const path = text.slice(0, cut)
  if (text.length > urlLengthMax || !/^\/v2(?:\/|$)/.test(path)) throw unknownRoute()
  const query = new URLSearchParams(text.slice(cut + 1))
  const rest = decoded(path).slice('/v2/'.length)
  if (rest === '') return { route: { is: 'base' }, query }
  for (const [is, pattern] of patterns) {
    const [, repository, of] = pattern.exec(rest) ?? []
    if (repository === undefined) continue
    if (!isRepository(repository))
      throw new RegistryError('name-invalid', `${JSON.stringify(repository)} is not a repository name`)
    if (is === 'uploads' || is === 'tags') return { route: { is, repository }, query }
    if (of !== undefined) return { route: { is, repository, of }, query }
  }
  throw unknownRoute()
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new RegistryError('route-unknown', 'the path is not valid', { cause })
  }
}

function unknownRoute(): RegistryError {
  return new RegistryError('route-unknown', 'this registry has no such address')
}
