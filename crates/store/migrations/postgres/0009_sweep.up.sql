-- What nothing refers to goes only after it was confirmed or is little, and is named before it goes.
ALTER TABLE stray_records ADD COLUMN confirmed_at TIMESTAMPTZ;
ALTER TABLE stray_records ADD COLUMN deleting_at TIMESTAMPTZ;

-- The system's own jobs of a kind, newest first, however many there are of other kinds.
CREATE INDEX jobs_system ON jobs (kind, created_at, id) WHERE tenant_id IS NULL;
