-- Data format 1. Ledger tables lead with the log, so that PostgreSQL can distribute them by it.

-- One row a batch. `id` is the order of commits; bytes are read by (log, seq).
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    size INTEGER NOT NULL,
    batch BLOB NOT NULL,
    UNIQUE (log, seq)
) STRICT;

-- The dictionaries. A redacted name keeps its row and has neither salt nor text.
CREATE TABLE names (
    log INTEGER NOT NULL,
    id INTEGER NOT NULL,
    salt BLOB,
    text TEXT,
    PRIMARY KEY (log, id),
    CHECK ((salt IS NULL) = (text IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
    log INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- A blob's bytes stand apart, so that listing blobs and touching `put_at` does not move them.
CREATE TABLE blobs (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    codec INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    put_at INTEGER NOT NULL
) STRICT;

CREATE TABLE blob_bytes (
    number INTEGER PRIMARY KEY REFERENCES blobs (number) ON DELETE CASCADE,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    grants TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
