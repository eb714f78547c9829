import type { Digest } from '../core/index.ts'
import type { ManifestRecord, RegistryIndex } from '../registry/index.ts'

interface Memory {
  readonly blobs: Map<Digest, number>
  readonly manifests: Map<Digest, ManifestRecord>
  /** Manifests that an index requires, by the index. */
  readonly required: Map<Digest, readonly Digest[]>
  readonly tags: Map<string, Digest>
}

/** A registry's memory that ends with the process: for tests that are about something else than the database. */
export function memoryRegistryIndex(): RegistryIndex {
  const memories = new Map<string, Memory>()
  const of = (repository: string): Memory => {
    const known = memories.get(repository)
    if (known !== undefined) return known
    const memory = { blobs: new Map(), manifests: new Map(), required: new Map(), tags: new Map() }
    memories.set(repository, memory)
    return memory
  }
  return {
    async repositories() {
      const names = [...memories].filter(([, memory]) => memory.manifests.size > 0).map(([name]) => name)
      return names.toSorted(byBytes)
    },
    async blob(repository, digest) {
      const sizeBytes = of(repository).blobs.get(digest)
      return sizeBytes === undefined ? undefined : { sizeBytes }
    },
    async addBlob(repository, digest, sizeBytes) {
      of(repository).blobs.set(digest, sizeBytes)
    },
    manifest: async (repository, digest) => of(repository).manifests.get(digest),
    async manifestByTag(repository, tag) {
      const { tags, manifests } = of(repository)
      const digest = tags.get(tag)
      return digest === undefined ? undefined : manifests.get(digest)
    },
    async putManifest(repository, record, requirements, tags) {
      const memory = of(repository)
      const missing = [
        ...requirements.blobs.filter((b) => memory.blobs.get(b.digest) !== b.sizeBytes),
        ...requirements.manifests.filter((m) => memory.manifests.get(m.digest)?.sizeBytes !== m.sizeBytes),
      ]
      if (missing.length > 0) return { is: 'missing', digests: missing.map(({ digest }) => digest) }
      for (const { name, writeOnce } of tags) {
        const by = memory.tags.get(name)
        if (writeOnce && by !== undefined && by !== record.digest) return { is: 'tag-taken', tag: name, by }
      }
      memory.manifests.set(record.digest, record)
      memory.required.set(
        record.digest,
        requirements.manifests.map(({ digest }) => digest),
      )
      for (const { name } of tags) memory.tags.set(name, record.digest)
      return { is: 'stored' }
    },
    async removeManifest(repository, digest, isProtected) {
      const memory = of(repository)
      if (!memory.manifests.has(digest)) return { is: 'unknown' }
      const tags = [...memory.tags].filter(([, named]) => named === digest).map(([tag]) => tag)
      const held =
        tags.find(isProtected) ?? [...memory.required].find(([, list]) => list.includes(digest))?.[0]
      if (held !== undefined) return { is: 'held', by: held }
      for (const tag of tags) memory.tags.delete(tag)
      memory.required.delete(digest)
      memory.manifests.delete(digest)
      return { is: 'removed' }
    },
    async tags(repository, after, limit) {
      const sorted = [...of(repository).tags.keys()].toSorted(byBytes)
      return sorted.filter((tag) => after === undefined || byBytes(tag, after) > 0).slice(0, limit)
    },
    removeTag: async (repository, tag) => of(repository).tags.delete(tag),
    async referrers(repository, subject) {
      return [...of(repository).manifests.values()].filter((record) => record.subject === subject)
    },
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
