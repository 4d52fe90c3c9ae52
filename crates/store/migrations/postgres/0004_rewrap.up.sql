-- Wrapping records under a new key-encryption key: a job that shows how far it has come.
ALTER TYPE job_kind ADD VALUE 'rewrap_records';
ALTER TABLE jobs ADD COLUMN pass INTEGER NOT NULL DEFAULT 0 CHECK (pass >= 0);
ALTER TABLE jobs ADD COLUMN examined BIGINT NOT NULL DEFAULT 0 CHECK (examined >= 0);
ALTER TABLE jobs ADD COLUMN found BIGINT NOT NULL DEFAULT 0 CHECK (found >= 0);
ALTER TABLE jobs ADD COLUMN failed BIGINT NOT NULL DEFAULT 0 CHECK (failed >= 0);
ALTER TABLE jobs ADD COLUMN changed BIGINT NOT NULL DEFAULT 0 CHECK (changed >= 0);
ALTER TABLE jobs ADD COLUMN resume_after TEXT;
