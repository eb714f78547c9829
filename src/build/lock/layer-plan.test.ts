import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LockedPackage } from '../../core/index.ts'
import { digestOf } from '../../oci/index.ts'
import { packageLayersMax } from '../limits.ts'
import { planLayers } from './layer-plan.ts'

function locked(
  source: string,
  sizeBytes: number,
  version = '1.0-1',
  more: Partial<LockedPackage> = {},
): LockedPackage {
  const path = `pool/main/${source}.deb`
  const digest = digestOf(source)
  return {
    name: source,
    source,
    version,
    architecture: 'amd64',
    archive: 'debian',
    path,
    digest,
    sizeBytes,
    ...more,
  }
}

const layerOf = (layers: readonly (readonly string[])[], source: string) =>
  layers.findIndex((layer) => layer.includes(source))

const kernel = locked('linux-signed-amd64', 70e6, '6.1.176+1')
const stable = Array.from({ length: 30 }, (_, index) => locked(`stable-${index}`, 1e6))
const glibc = locked('glibc', 4e6, '2.36-9+deb12u13')
const openssl = locked('openssl', 2e6, '3.0.17-1~deb12u2', { archive: 'debian-security' })

test('what never changes does not lie with what often does', () => {
  const layers = planLayers([openssl, kernel, ...stable, glibc])
  expect(layers.at(-1)).toEqual(['linux-signed-amd64'])
  expect(layerOf(layers, 'stable-0')).toBe(0)
  expect(layerOf(layers, 'stable-29')).toBe(0)
  expect(layerOf(layers, 'glibc')).toBeGreaterThan(0)
})

test('packages of one source lie together', () => {
  const binaries = ['libc6', 'libc-bin'].map((name) => ({ ...glibc, name }))
  expect(planLayers([...binaries, kernel]).flat()).toEqual(['glibc', 'linux-signed-amd64'])
})

function planned(packages: readonly LockedPackage[]) {
  return { packages: [...packages], layers: planLayers(packages) }
}

test('the lock before keeps its split: a new source joins a layer, one that is gone leaves it', () => {
  const { layers: before, ...lock } = planned([openssl, kernel, ...stable, glibc])
  const fresh = locked('fresh', 3e6)
  const after = planLayers([kernel, ...stable.slice(1), glibc, fresh, openssl], { ...lock, layers: before })
  expect(after).toHaveLength(before.length)
  for (const { source } of [kernel, glibc, openssl, ...stable.slice(1)])
    expect(layerOf(after, source)).toBe(layerOf(before, source))
  expect(layerOf(after, 'stable-0')).toBe(-1)
  // This layer has lost a package, and is another one in any case.
  expect(layerOf(after, 'fresh')).toBe(0)
})

const many = [
  openssl,
  kernel,
  ...stable,
  glibc,
  ...['a', 'b', 'c', 'd', 'e'].map((name, index) => locked(name, 9e6, `1-1+deb12u${4 * (index + 1)}`)),
]

test('a small new source leaves the large layers as they were', () => {
  const before = planned(many)
  expect(before.layers).toHaveLength(packageLayersMax)
  const after = planLayers([...many, locked('small', 50e3)], before)
  const place = layerOf(after, 'small')
  const bytes = before.layers.map((layer) =>
    many.filter(({ source }) => layer.includes(source)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  )
  expect(bytes[place]).toBe(Math.min(...bytes))
})

test('a new source goes where a package has changed, whose layer is another one in any case', () => {
  const before = planned(many)
  const updated = many.map((one) => (one === glibc ? { ...one, digest: digestOf('another') } : one))
  const after = planLayers([...updated, locked('small', 50e3)], before)
  expect(layerOf(after, 'small')).toBe(layerOf(before.layers, 'glibc'))
})

test('where there may be one layer more, a new source need not change any', () => {
  const before = planned([kernel, glibc])
  expect(planLayers([kernel, glibc, locked('fresh', 1e6)], before)).toEqual([...before.layers, ['fresh']])
})

test('a layer that has lost all its packages is gone', () => {
  expect(planLayers([glibc], { packages: [openssl, glibc], layers: [['openssl'], ['glibc']] })).toEqual([
    ['glibc'],
  ])
})

test('each source is in one layer, and there are no more layers than may be, with a lock before and without', () => {
  const packages = fc.uniqueArray(
    fc.record({ source: fc.stringMatching(/^[a-z]{1,3}$/), size: fc.nat(9e6), updates: fc.nat(30) }),
    { selector: ({ source }) => source, minLength: 1 },
  )
  const lock = packages.map((all) =>
    all.map(({ source, size, updates }) => locked(source, size, `1-1+deb12u${updates}`)),
  )
  fc.assert(
    fc.property(lock, lock, (before, after) => {
      for (const [wanted, previous] of [
        [before, undefined],
        [after, planned(before)],
      ] as const) {
        const layers = planLayers(wanted, previous)
        expect(layers.length).toBeLessThanOrEqual(packageLayersMax)
        expect(layers.flat().toSorted()).toEqual(wanted.map(({ source }) => source).toSorted())
      }
    }),
  )
})
