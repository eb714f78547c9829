import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Digest, digestFromHex, mediaType } from '../core/index.ts'
import {
  type Descriptor,
  dockerMediaType,
  type Index,
  type Manifest,
  OciError,
  parseAnyManifest,
  parseIndex,
  parseManifest,
  printIndex,
  printManifest,
  readReleaseFiles,
} from './index.ts'
import { descriptorsMax, manifestBytesMax } from './limits.ts'

const digest = `sha256:${'a'.repeat(64)}` as Digest
const config = { mediaType: mediaType.config, digest, size: 2 }
const manifest = { schemaVersion: 2, mediaType: mediaType.manifest, config, layers: [config] }
const index = { schemaVersion: 2, mediaType: mediaType.index, manifests: [config] }
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value))
const printed = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe('printing', () => {
  test("has the fields in the order of Go's image-spec structs, and Go's escapes", () => {
    const full: Manifest = {
      annotations: { z: '<a&b>', a: '\u2028' },
      subject: { ...config, annotations: {} },
      layers: [{ ...config, platform: { os: 'linux', architecture: 'amd64' }, annotations: { b: '1' } }],
      config,
      artifactType: 'a/b',
      mediaType: mediaType.manifest,
      schemaVersion: 2,
    }
    const short = `"digest":"${digest}","size":2`
    expect(printed(printManifest(full))).toBe(
      `{"schemaVersion":2,"mediaType":"${mediaType.manifest}","artifactType":"a/b",` +
        `"config":{"mediaType":"${mediaType.config}",${short}},` +
        `"layers":[{"mediaType":"${mediaType.config}",${short},"annotations":{"b":"1"},` +
        `"platform":{"architecture":"amd64","os":"linux"}}],` +
        `"subject":{"mediaType":"${mediaType.config}",${short}},` +
        `"annotations":{"a":"\\u2028","z":"\\u003ca\\u0026b\\u003e"}}`,
    )
  })
})

describe('reading', () => {
  test.each<[string, object, string | undefined]>([
    ['a manifest without a media type', { ...manifest, mediaType: undefined }, undefined],
    ['a manifest with fields that nobody knows', { ...manifest, extra: { deep: [1] } }, mediaType.manifest],
    ['a docker manifest', { ...manifest, mediaType: dockerMediaType.manifest }, dockerMediaType.manifest],
    ['an index without a media type', { ...index, mediaType: undefined }, undefined],
    ['an empty index', { ...index, manifests: [] }, mediaType.index],
    ['an empty artifactType', { ...manifest, artifactType: '' }, undefined],
    ['annotations that are null, as Go prints them', { ...manifest, annotations: null }, undefined],
  ])('takes %s', (_, value, declared) => {
    expect(() => parseAnyManifest(bytesOf(value), declared)).not.toThrow()
  })

  test.each<[string, unknown, string?]>([
    ['no object', []],
    ['no schema version', { ...manifest, schemaVersion: 1 }],
    ['both manifest and index (CVE-2021-41190)', { ...manifest, manifests: [] }],
    ['both index and manifest (CVE-2021-41190)', { ...index, layers: [] }],
    ['a type that was not declared', manifest, mediaType.index],
    [
      'a declared type that it does not have the form of',
      { ...index, mediaType: undefined },
      mediaType.manifest,
    ],
    ['no config', { ...manifest, config: undefined }],
    ['no list of layers', { ...manifest, layers: {} }],
    ['too many layers', { ...manifest, layers: Array(descriptorsMax + 1).fill(config) }],
    [
      'a digest of another algorithm',
      { ...manifest, config: { ...config, digest: `sha512:${'a'.repeat(128)}` } },
    ],
    ['a digest in capitals', { ...manifest, config: { ...config, digest: digest.toUpperCase() } }],
    ['a size below nothing', { ...manifest, config: { ...config, size: -1 } }],
    ['a size with a fraction', { ...manifest, config: { ...config, size: 1.5 } }],
    ['a size as text', { ...manifest, config: { ...config, size: '2' } }],
    ['a size beyond counting', { ...manifest, config: { ...config, size: 2 ** 60 } }],
    ['a media type with a line break', { ...manifest, artifactType: 'a/b\r\nx: y' }],
    ['a media type without end', { ...manifest, artifactType: `a/${'b'.repeat(300)}` }],
    ['an annotation that is no text', { ...manifest, annotations: { a: 1 } }],
    ['a platform without a name', { ...index, manifests: [{ ...config, platform: {} }] }],
  ])('refuses %s', (_, value, declared) => {
    expect(() => parseAnyManifest(bytesOf(value), declared)).toThrow(
      expect.objectContaining({ code: 'manifest-invalid' }),
    )
  })

  test('refuses what is too long, and what is no UTF-8', () => {
    const long = bytesOf({ ...manifest, filling: ' '.repeat(manifestBytesMax) })
    const broken = Buffer.concat([bytesOf(manifest).subarray(0, -1), Buffer.from([0xff, 0x7d])])
    for (const bytes of [long, broken, Buffer.alloc(0)])
      expect(() => parseAnyManifest(bytes)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }))
  })

  test('tells the two kinds apart', () => {
    expect(() => parseIndex(bytesOf(manifest))).toThrow(OciError)
    expect(() => parseManifest(bytesOf(index))).toThrow(OciError)
  })
})

const type = fc.stringMatching(/^[a-z][a-z0-9.+-]{0,20}\/[a-z][a-z0-9.+-]{0,20}$/)
const annotations = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), {
  minKeys: 1,
})
const optional = <T>(name: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((v) => (v === undefined ? {} : { [name]: v }))
const descriptor: fc.Arbitrary<Descriptor> = fc
  .tuple(
    type,
    fc.stringMatching(/^[0-9a-f]{64}$/),
    fc.maxSafeNat(),
    optional('annotations', annotations),
    optional('platform', fc.record({ architecture: fc.string(), os: fc.string() })),
    optional('artifactType', type),
  )
  .map(([mediaType, hex, size, ...more]) =>
    Object.assign({ mediaType, digest: digestFromHex(hex), size }, ...more),
  )
const common = fc.tuple(
  optional('artifactType', type),
  optional('subject', descriptor),
  optional('annotations', annotations),
)
const manifests = fc
  .tuple(descriptor, fc.array(descriptor, { maxLength: 5 }), common)
  .map(([config, layers, more]): Manifest => {
    const value: Manifest = { schemaVersion: 2, mediaType: mediaType.manifest, config, layers }
    return Object.assign(value, ...more)
  })
const indexes = fc.tuple(fc.array(descriptor, { maxLength: 5 }), common).map(([list, more]): Index => {
  const value: Index = { schemaVersion: 2, mediaType: mediaType.index, manifests: list }
  return Object.assign(value, ...more)
})

describe('whatever comes', () => {
  test('what is printed is read back, and printed alike again', () => {
    fc.assert(
      fc.property(manifests, (value) => {
        const bytes = printManifest(value)
        expect(parseManifest(bytes)).toEqual(value)
        expect(printed(printManifest(parseManifest(bytes)))).toBe(printed(bytes))
      }),
    )
    fc.assert(
      fc.property(indexes, (value) => {
        expect(parseIndex(printIndex(value))).toEqual(value)
      }),
    )
  })

  const onlyOciErrors = (read: () => unknown) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof OciError)) throw error
    }
  }

  test('the parsers throw their own error and no other', () => {
    const nearly = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      // A manifest or index with one of its fields exchanged for anything.
      fc
        .tuple(
          fc.constantFrom<object>(manifest, index),
          fc.constantFrom(
            'config',
            'layers',
            'manifests',
            'mediaType',
            'subject',
            'annotations',
            'artifactType',
            'schemaVersion',
          ),
          fc.jsonValue(),
        )
        .map(([whole, key, value]) => bytesOf({ ...whole, [key]: value })),
      fc
        .tuple(fc.constantFrom('digest', 'size', 'mediaType', 'platform', 'annotations'), fc.jsonValue())
        .map(([key, value]) => bytesOf({ ...manifest, config: { ...config, [key]: value } })),
    )
    fc.assert(
      fc.property(nearly, (bytes) => onlyOciErrors(() => parseAnyManifest(bytes))),
      { numRuns: 2_000 },
    )
    fc.assert(
      fc.property(nearly, nearly, nearly, (index, manifest, document) =>
        onlyOciErrors(() => readReleaseFiles({ index, manifest, document }, digest)),
      ),
    )
  })
})
