-- Data format 3: the audit log says as whom, from where, and about which account; and a checksum in
-- every row that no hash vouches for (sqlite/checksum.rs fills it in).

-- The hashes of a log's batches do not tell that its end is missing: its newest batch is a row, too.
CREATE TABLE heads (
    log INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO heads (log, seq) SELECT log, max(seq) FROM log GROUP BY log;

ALTER TABLE audit ADD COLUMN login TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN account TEXT;
ALTER TABLE audit ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blobs ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE facts ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE names ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
