-- Data format 3: the audit log says as whom, from where, and about which account; and a checksum in
-- every row that no hash vouches for (sqlite/checksum.rs fills it in).

ALTER TABLE audit ADD COLUMN login TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN account TEXT;
ALTER TABLE audit ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blobs ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE facts ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
