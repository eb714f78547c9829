/**
 * Each entry takes the database from the version that is its index to the next one; `user_version` says how far it is.
 * An entry is never changed once it was released: databases that it made are out there.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- A resource's version is the sequence of the log row of its last write: it grows, and never comes again.
  CREATE TABLE log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;

  CREATE TABLE resources (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES log (sequence),
    json TEXT NOT NULL,
    PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;

  -- Kept for ever, also when the node is gone: an order's number is never given twice.
  CREATE TABLE assignments (
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    PRIMARY KEY (node, epoch, number)
  ) STRICT, WITHOUT ROWID;

  -- Of a token only the hash is here; json says whose it is and for what.
  CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    expires_at INTEGER,
    used_at INTEGER,
    json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE registry_blobs (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE registry_manifests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    subject TEXT,
    artifact_type TEXT,
    annotations TEXT,
    UNIQUE (repository, digest)
  ) STRICT;
  CREATE INDEX registry_referrers ON registry_manifests (repository, subject, id);

  CREATE TABLE registry_requires (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    required TEXT NOT NULL,
    PRIMARY KEY (repository, digest, required),
    FOREIGN KEY (repository, digest) REFERENCES registry_manifests (repository, digest) ON DELETE CASCADE,
    FOREIGN KEY (repository, required) REFERENCES registry_manifests (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX registry_required ON registry_requires (repository, required);

  CREATE TABLE registry_tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, tag),
    FOREIGN KEY (repository, digest) REFERENCES registry_manifests (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX registry_tags_of ON registry_tags (repository, digest);
  `,
]
