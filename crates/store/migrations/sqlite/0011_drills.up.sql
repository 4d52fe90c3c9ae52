-- Drills: backups restored for trial, and what became of it. Numbers and words, and no secret.
CREATE TABLE drills (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('queued', 'passed', 'failed')),
    backup_id BLOB CHECK (length(backup_id) = 16),
    ordered_at INTEGER NOT NULL,
    ended_at INTEGER,
    revision INTEGER CHECK (revision >= 0),
    committed_at INTEGER,
    segments INTEGER NOT NULL CHECK (segments >= 0),
    rows_seen INTEGER NOT NULL CHECK (rows_seen >= 0),
    records_seen INTEGER NOT NULL CHECK (records_seen >= 0),
    keks_opened INTEGER NOT NULL CHECK (keks_opened >= 0),
    records_opened INTEGER NOT NULL CHECK (records_opened >= 0),
    problem TEXT CHECK (length(problem) <= 1024),
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT drills_ended CHECK ((state = 'queued') = (ended_at IS NULL)),
    CONSTRAINT drills_problem CHECK ((state = 'failed') = (problem IS NOT NULL))
) STRICT;
