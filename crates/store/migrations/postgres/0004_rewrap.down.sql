-- Jobs without progress, and none that wraps records anew: who was interrupted begins again later.
DELETE FROM jobs WHERE kind = 'rewrap_records';
ALTER TABLE jobs DROP COLUMN resume_after;
ALTER TABLE jobs DROP COLUMN changed;
ALTER TABLE jobs DROP COLUMN failed;
ALTER TABLE jobs DROP COLUMN found;
ALTER TABLE jobs DROP COLUMN examined;
ALTER TABLE jobs DROP COLUMN pass;
-- A type loses no values: it is made anew.
ALTER TYPE job_kind RENAME TO job_kind_wide;
CREATE TYPE job_kind AS ENUM ('destroy_material', 'shred_tenant');
ALTER TABLE jobs ALTER COLUMN kind TYPE job_kind USING kind::text::job_kind;
DROP TYPE job_kind_wide;
