import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRepository } from '../core/index.ts'
import { parseRange } from './blobs.ts'
import { RegistryError } from './errors.ts'
import { parseRoute } from './routes.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('routes', () => {
  test.each([
    ['/v2', { is: 'base' }],
    ['/v2/', { is: 'base' }],
    ['/v2/a/b/blobs/uploads/', { is: 'uploads', repository: 'a/b' }],
    ['/v2/a/blobs/uploads', { is: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads/1f', { is: 'upload', repository: 'a', of: '1f' }],
    [`/v2/a/blobs/${digest}`, { is: 'blob', repository: 'a', of: digest }],
    [`/v2/a/blobs/${encodeURIComponent(digest)}`, { is: 'blob', repository: 'a', of: digest }],
    ['/v2/a/manifests/1.0.0', { is: 'manifest', repository: 'a', of: '1.0.0' }],
    ['/v2/blobs/manifests/tags/list', { is: 'tags', repository: 'blobs/manifests' }],
    ['/v2/manifests/manifests/blobs', { is: 'manifest', repository: 'manifests', of: 'blobs' }],
    [`/v2/a/referrers/${digest}?artifactType=x`, { is: 'referrers', repository: 'a', of: digest }],
  ])('%s', (target, route) => {
    expect(parseRoute(target).route).toEqual(route)
  })

  test('whatever is asked for is a route with a valid repository, or refused', () => {
    const target = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `/v2/${text}`),
      fc
        .tuple(
          fc.string(),
          fc.constantFrom('blobs', 'manifests', 'tags', 'blobs/uploads', 'referrers'),
          fc.string(),
        )
        .map(([name, kind, of]) => `/v2/${name}/${kind}/${of}`),
    )
    const read = (text: string) => {
      try {
        const { route } = parseRoute(text)
        if (route.is !== 'base') expect(isRepository(route.repository)).toBe(true)
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error
      }
    }
    fc.assert(fc.property(target, read), { numRuns: 2_000 })
  })
})

describe('ranges', () => {
  test('whatever is asked for lies inside the blob', () => {
    const number = fc.oneof(
      fc.constant(''),
      fc.nat(50).map(String),
      fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String),
    )
    const header = fc.oneof(
      fc.string(),
      fc.tuple(number, number).map(([first, last]) => `bytes=${first}-${last}`),
    )
    fc.assert(
      fc.property(header, fc.nat(40), (text, sizeBytes) => {
        const range = parseRange(text, sizeBytes)
        if (range.is !== 'part') return
        expect(range.from).toBeGreaterThanOrEqual(0)
        expect(range.from).toBeLessThan(range.to)
        expect(range.to).toBeLessThanOrEqual(sizeBytes)
      }),
      { numRuns: 2_000 },
    )
  })
})
