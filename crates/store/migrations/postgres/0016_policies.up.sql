-- A policy may be suspended or archived, and may have a calendar instead of an interval.
CREATE TYPE policy_status AS ENUM ('active', 'suspended', 'archived');
ALTER TABLE policies ADD COLUMN status policy_status NOT NULL DEFAULT 'active';
ALTER TABLE policies ADD COLUMN schedule JSONB CHECK (jsonb_typeof(schedule) = 'object');
