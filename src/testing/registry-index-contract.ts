import { describe, expect, test } from 'vitest'
import { type Digest, digestFromHex, mediaType } from '../core/index.ts'
import type { ManifestRecord, RegistryIndex } from '../registry/index.ts'

const digest = (n: number): Digest => digestFromHex(n.toString(16).padStart(64, '0'))
const record = (n: number, more: Partial<ManifestRecord> = {}): ManifestRecord => ({
  digest: digest(n),
  mediaType: mediaType.manifest,
  sizeBytes: 100 + n,
  ...more,
})
const nothing = { blobs: [], manifests: [] }
const once = (name: string) => ({ name, writeOnce: true })
const free = (name: string) => ({ name, writeOnce: false })
const never = () => false

/** What every {@link RegistryIndex} must do. `open` gives an empty one. */
export function registryIndexContract(name: string, open: () => Promise<RegistryIndex>): void {
  describe(`${name} as a registry index`, () => {
    test('is empty at first', async () => {
      const index = await open()
      expect(await index.repositories()).toEqual([])
      expect(await index.blob('a', digest(1))).toBeUndefined()
      expect(await index.manifest('a', digest(1))).toBeUndefined()
      expect(await index.manifestByTag('a', '1.0.0')).toBeUndefined()
      expect(await index.tags('a', undefined, 10)).toEqual([])
      expect(await index.referrers('a', digest(1))).toEqual([])
      expect(await index.removeTag('a', '1.0.0')).toBe(false)
      expect(await index.removeManifest('a', digest(1), never)).toEqual({ is: 'unknown' })
    })

    test('a blob is a member of the repositories that it was added to', async () => {
      const index = await open()
      await index.addBlob('a', digest(1), 5)
      await index.addBlob('a', digest(1), 5)
      expect(await index.blob('a', digest(1))).toEqual({ sizeBytes: 5 })
      expect(await index.blob('b', digest(1))).toBeUndefined()
      expect(await index.repositories()).toEqual([])
    })

    test('gives back the record that was put, by digest and by tag, in that repository alone', async () => {
      const index = await open()
      const full = record(1, {
        subject: digest(9),
        artifactType: mediaType.bundle,
        annotations: { 'dev.x': 'ü"\n' },
      })
      expect(await index.putManifest('a/b', full, nothing, [once('1.0.0')])).toEqual({ is: 'stored' })
      expect(await index.manifest('a/b', digest(1))).toEqual(full)
      expect(await index.manifestByTag('a/b', '1.0.0')).toEqual(full)
      expect(await index.manifest('a', digest(1))).toBeUndefined()
      expect(await index.repositories()).toEqual(['a/b'])
      await index.putManifest('a', record(2), nothing, [])
      expect(await index.manifest('a', digest(2))).toEqual(record(2))
      expect(await index.repositories()).toEqual(['a', 'a/b'])
    })

    test('a manifest is stored only when all it requires is there, with its size', async () => {
      const index = await open()
      await index.addBlob('a', digest(1), 5)
      await index.addBlob('other', digest(2), 5)
      await index.putManifest('a', record(3), nothing, [])
      const requirements = {
        blobs: [
          { digest: digest(1), sizeBytes: 6 },
          { digest: digest(2), sizeBytes: 5 },
        ],
        manifests: [
          { digest: digest(3), sizeBytes: 103 },
          { digest: digest(4), sizeBytes: 104 },
        ],
      }
      const answer = await index.putManifest('a', record(5), requirements, [free('t')])
      expect(answer).toEqual({ is: 'missing', digests: [digest(1), digest(2), digest(4)] })
      expect(await index.manifest('a', digest(5))).toBeUndefined()
      expect(await index.tags('a', undefined, 10)).toEqual([])
    })

    test('a write-once tag takes the same digest again and refuses another, and then nothing is stored', async () => {
      const index = await open()
      await index.putManifest('a', record(1), nothing, [once('1.0.0')])
      expect(await index.putManifest('a', record(1), nothing, [once('1.0.0')])).toEqual({ is: 'stored' })
      const answer = await index.putManifest('a', record(2), nothing, [free('new'), once('1.0.0')])
      expect(answer).toEqual({ is: 'tag-taken', tag: '1.0.0', by: digest(1) })
      expect(await index.manifest('a', digest(2))).toBeUndefined()
      expect(await index.tags('a', undefined, 10)).toEqual(['1.0.0'])
      expect((await index.manifestByTag('a', '1.0.0'))?.digest).toBe(digest(1))
    })

    test('a mutable tag moves, and what it named stays', async () => {
      const index = await open()
      await index.putManifest('a', record(1), nothing, [free('latest')])
      await index.putManifest('a', record(2), nothing, [free('latest')])
      expect((await index.manifestByTag('a', 'latest'))?.digest).toBe(digest(2))
      expect(await index.manifest('a', digest(1))).toEqual(record(1))
    })

    test('of two that set a write-once tag at once, one wins', async () => {
      const index = await open()
      const answers = await Promise.all(
        [1, 2, 3, 4].map((n) => index.putManifest('a', record(n), nothing, [once('1.0.0')])),
      )
      expect(answers.filter((answer) => answer.is === 'stored')).toHaveLength(1)
      expect(answers.filter((answer) => answer.is === 'tag-taken')).toHaveLength(3)
    })

    test('tags are listed in byte order, in pages', async () => {
      const index = await open()
      const tags = ['b', 'B', 'a', '_', '1.10', '1.9']
      await index.putManifest('a', record(1), nothing, tags.map(free))
      expect(await index.tags('a', undefined, 10)).toEqual(['1.10', '1.9', 'B', '_', 'a', 'b'])
      expect(await index.tags('a', undefined, 2)).toEqual(['1.10', '1.9'])
      expect(await index.tags('a', 'B', 2)).toEqual(['_', 'a'])
      expect(await index.tags('a', 'C', 1)).toEqual(['_'])
      expect(await index.tags('a', undefined, 0)).toEqual([])
    })

    test('a tag is removed alone, a manifest with its tags', async () => {
      const index = await open()
      await index.putManifest('a', record(1), nothing, [free('x'), free('y')])
      expect(await index.removeTag('a', 'x')).toBe(true)
      expect(await index.manifest('a', digest(1))).toEqual(record(1))
      expect(await index.removeManifest('a', digest(1), never)).toEqual({ is: 'removed' })
      expect(await index.tags('a', undefined, 10)).toEqual([])
      expect(await index.manifest('a', digest(1))).toBeUndefined()
    })

    test('a manifest that a protected tag names is not removed', async () => {
      const index = await open()
      await index.putManifest('a', record(1), nothing, [free('latest'), once('1.0.0')])
      const answer = await index.removeManifest('a', digest(1), (tag) => tag === '1.0.0')
      expect(answer).toEqual({ is: 'held', by: '1.0.0' })
      expect(await index.tags('a', undefined, 10)).toEqual(['1.0.0', 'latest'])
    })

    test('a manifest that an index requires is not removed before the index', async () => {
      const index = await open()
      await index.putManifest('a', record(1), nothing, [])
      const requirements = { blobs: [], manifests: [{ digest: digest(1), sizeBytes: 101 }] }
      await index.putManifest('a', record(2), requirements, [])
      expect(await index.removeManifest('a', digest(1), never)).toEqual({ is: 'held', by: digest(2) })
      expect(await index.removeManifest('a', digest(2), never)).toEqual({ is: 'removed' })
      expect(await index.removeManifest('a', digest(1), never)).toEqual({ is: 'removed' })
    })

    test('referrers are those of the subject, oldest first, also when the subject is not there', async () => {
      const index = await open()
      const subject = digest(7)
      await index.putManifest('a', record(3, { subject }), nothing, [])
      await index.putManifest('a', record(1, { subject }), nothing, [])
      await index.putManifest('a', record(2, { subject: digest(8) }), nothing, [])
      await index.putManifest('a', record(3, { subject }), nothing, [])
      await index.putManifest('b', record(4, { subject }), nothing, [])
      expect((await index.referrers('a', subject)).map((r) => r.digest)).toEqual([digest(3), digest(1)])
      await index.removeManifest('a', digest(3), never)
      expect((await index.referrers('a', subject)).map((r) => r.digest)).toEqual([digest(1)])
    })
  })
}
