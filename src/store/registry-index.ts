import type { Digest } from '../core/index.ts'
import type {
  ManifestRecord,
  PutAnswer,
  RegistryIndex,
  RemoveAnswer,
  Requirements,
  TagWrite,
} from '../registry/index.ts'
import type { Database, Row } from './database.ts'
import { appendLog } from './log.ts'

/** What the registry remembers, in SQLite. Text is compared and ordered by its bytes, as SQLite does by default. */
export class SqliteRegistryIndex implements RegistryIndex {
  readonly #database: Database
  readonly #now: () => number

  constructor(database: Database, now: () => number) {
    this.#database = database
    this.#now = now
  }

  async repositories(): Promise<readonly string[]> {
    const rows = this.#database.all('SELECT DISTINCT repository FROM registry_manifests ORDER BY repository')
    return rows.map((row) => String(row.repository))
  }

  async blob(repository: string, digest: Digest): Promise<{ readonly sizeBytes: number } | undefined> {
    const sizeBytes = this.#sizeOf('registry_blobs', repository, digest)
    return sizeBytes === undefined ? undefined : { sizeBytes }
  }

  async addBlob(repository: string, digest: Digest, sizeBytes: number): Promise<void> {
    this.#database.run(
      'INSERT OR REPLACE INTO registry_blobs (repository, digest, size_bytes) VALUES (?, ?, ?)',
      repository,
      digest,
      sizeBytes,
    )
  }

  async manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    const row = this.#database.get(
      'SELECT * FROM registry_manifests WHERE repository = ? AND digest = ?',
      repository,
      digest,
    )
    return row === undefined ? undefined : recordOf(row)
  }

  async manifestByTag(repository: string, tag: string): Promise<ManifestRecord | undefined> {
    const row = this.#database.get(
      'SELECT m.* FROM registry_tags t JOIN registry_manifests m USING (repository, digest) WHERE repository = ? AND tag = ?',
      repository,
      tag,
    )
    return row === undefined ? undefined : recordOf(row)
  }

  async putManifest(
    repository: string,
    record: ManifestRecord,
    requirements: Requirements,
    tags: readonly TagWrite[],
  ): Promise<PutAnswer> {
    return this.#database.transaction((): PutAnswer => {
      const missing = this.#missing(repository, requirements)
      if (missing.length > 0) return { is: 'missing', digests: missing }
      for (const { name, writeOnce } of tags) {
        const by = this.#taggedDigest(repository, name)
        if (writeOnce && by !== undefined && by !== record.digest) return { is: 'tag-taken', tag: name, by }
      }
      const names = tags.map(({ name }) => name)
      const moved = names.filter((name) => this.#taggedDigest(repository, name) !== record.digest)
      if (this.#insert(repository, record, requirements) || moved.length > 0)
        this.#log('registry.put', repository, record.digest, { tags: names })
      for (const name of moved)
        this.#database.run(
          'INSERT OR REPLACE INTO registry_tags (repository, tag, digest) VALUES (?, ?, ?)',
          repository,
          name,
          record.digest,
        )
      return { is: 'stored' }
    })
  }

  async removeManifest(
    repository: string,
    digest: Digest,
    isProtected: (tag: string) => boolean,
  ): Promise<RemoveAnswer> {
    return this.#database.transaction((): RemoveAnswer => {
      if (this.#sizeOf('registry_manifests', repository, digest) === undefined) return { is: 'unknown' }
      const by = this.#holder(repository, digest, isProtected)
      if (by !== undefined) return { is: 'held', by }
      this.#database.run('DELETE FROM registry_tags WHERE repository = ? AND digest = ?', repository, digest)
      this.#database.run(
        'DELETE FROM registry_manifests WHERE repository = ? AND digest = ?',
        repository,
        digest,
      )
      this.#log('registry.remove', repository, digest, {})
      return { is: 'removed' }
    })
  }

  async tags(repository: string, after: string | undefined, limit: number): Promise<readonly string[]> {
    const rows = this.#database.all(
      'SELECT tag FROM registry_tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?',
      repository,
      after ?? '',
      limit,
    )
    return rows.map((row) => String(row.tag))
  }

  async removeTag(repository: string, tag: string): Promise<boolean> {
    return this.#database.transaction(() => {
      const digest = this.#taggedDigest(repository, tag)
      if (digest === undefined) return false
      this.#database.run('DELETE FROM registry_tags WHERE repository = ? AND tag = ?', repository, tag)
      this.#log('registry.untag', repository, digest, { tag })
      return true
    })
  }

  async referrers(repository: string, subject: Digest): Promise<readonly ManifestRecord[]> {
    const rows = this.#database.all(
      'SELECT * FROM registry_manifests WHERE repository = ? AND subject = ? ORDER BY id',
      repository,
      subject,
    )
    return rows.map(recordOf)
  }

  #missing(repository: string, requirements: Requirements): readonly Digest[] {
    const { blobs, manifests } = requirements
    return [
      ...blobs.filter((b) => this.#sizeOf('registry_blobs', repository, b.digest) !== b.sizeBytes),
      ...manifests.filter((m) => this.#sizeOf('registry_manifests', repository, m.digest) !== m.sizeBytes),
    ].map(({ digest }) => digest)
  }

  /** False when the manifest was there already. */
  #insert(repository: string, record: ManifestRecord, requirements: Requirements): boolean {
    const inserted = this.#database.run(
      `INSERT INTO registry_manifests
         (repository, digest, media_type, size_bytes, subject, artifact_type, annotations)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      repository,
      record.digest,
      record.mediaType,
      record.sizeBytes,
      record.subject ?? null,
      record.artifactType ?? null,
      record.annotations === undefined ? null : JSON.stringify(record.annotations),
    )
    for (const { digest } of requirements.manifests)
      this.#database.run(
        'INSERT INTO registry_requires (repository, digest, required) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        repository,
        record.digest,
        digest,
      )
    return inserted === 1
  }

  #holder(repository: string, digest: Digest, isProtected: (tag: string) => boolean): string | undefined {
    const tags = this.#database.all(
      'SELECT tag FROM registry_tags WHERE repository = ? AND digest = ? ORDER BY tag',
      repository,
      digest,
    )
    const tag = tags.map((row) => String(row.tag)).find(isProtected)
    if (tag !== undefined) return tag
    const index = this.#database.get(
      'SELECT digest FROM registry_requires WHERE repository = ? AND required = ? LIMIT 1',
      repository,
      digest,
    )
    return index === undefined ? undefined : String(index.digest)
  }

  #taggedDigest(repository: string, tag: string): Digest | undefined {
    const row = this.#database.get(
      'SELECT digest FROM registry_tags WHERE repository = ? AND tag = ?',
      repository,
      tag,
    )
    return row === undefined ? undefined : (row.digest as Digest)
  }

  #sizeOf(table: 'registry_blobs' | 'registry_manifests', repository: string, digest: Digest) {
    const row = this.#database.get(
      `SELECT size_bytes FROM ${table} WHERE repository = ? AND digest = ?`,
      repository,
      digest,
    )
    return row === undefined ? undefined : Number(row.size_bytes)
  }

  #log(action: string, repository: string, digest: Digest, detail: unknown): void {
    const subject = `${repository}@${digest}`
    appendLog(this.#database, { at: this.#now(), actor: 'registry', action, subject, detail })
  }
}

function recordOf(row: Row): ManifestRecord {
  return {
    digest: row.digest as Digest,
    mediaType: String(row.media_type),
    sizeBytes: Number(row.size_bytes),
    ...(row.subject !== null && { subject: row.subject as Digest }),
    ...(row.artifact_type !== null && { artifactType: String(row.artifact_type) }),
    ...(row.annotations !== null && {
      annotations: JSON.parse(String(row.annotations)) as Record<string, string>,
    }),
  }
}
