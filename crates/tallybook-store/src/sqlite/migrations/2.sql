-- Data format 2: jobs, in the order in which they were asked for.

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    log INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;
