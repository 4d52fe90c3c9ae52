-- Drills: backups restored for trial, and what became of it. Numbers and words, and no secret.
CREATE TYPE drill_state AS ENUM ('queued', 'passed', 'failed');

CREATE TABLE drills (
    id UUID NOT NULL PRIMARY KEY,
    state drill_state NOT NULL,
    backup_id UUID,
    ordered_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    revision BIGINT CHECK (revision >= 0),
    committed_at TIMESTAMPTZ,
    segments BIGINT NOT NULL CHECK (segments >= 0),
    rows_seen BIGINT NOT NULL CHECK (rows_seen >= 0),
    records_seen BIGINT NOT NULL CHECK (records_seen >= 0),
    keks_opened BIGINT NOT NULL CHECK (keks_opened >= 0),
    records_opened BIGINT NOT NULL CHECK (records_opened >= 0),
    problem TEXT CHECK (length(problem) <= 1024),
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT drills_ended CHECK ((state = 'queued') = (ended_at IS NULL)),
    CONSTRAINT drills_problem CHECK ((state = 'failed') = (problem IS NOT NULL))
);
