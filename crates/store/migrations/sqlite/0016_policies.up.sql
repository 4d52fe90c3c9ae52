-- A policy may be suspended or archived, and may have a calendar instead of an interval.
ALTER TABLE policies ADD COLUMN status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'archived'));
ALTER TABLE policies ADD COLUMN schedule TEXT CHECK (json_type(schedule) = 'object');
