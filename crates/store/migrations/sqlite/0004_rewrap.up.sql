-- Wrapping records under a new key-encryption key: a job that shows how far it has come.
-- Only the text of a CHECK changes, nothing on disk. SQLite's way for that:
-- https://www.sqlite.org/lang_altertable.html#otheralter.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''destroy_material'', ''shred_tenant'')', '''destroy_material'', ''shred_tenant'', ''rewrap_records'')') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
ALTER TABLE jobs ADD COLUMN pass INTEGER NOT NULL DEFAULT 0 CHECK (pass >= 0);
ALTER TABLE jobs ADD COLUMN examined INTEGER NOT NULL DEFAULT 0 CHECK (examined >= 0);
ALTER TABLE jobs ADD COLUMN found INTEGER NOT NULL DEFAULT 0 CHECK (found >= 0);
ALTER TABLE jobs ADD COLUMN failed INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0);
ALTER TABLE jobs ADD COLUMN changed INTEGER NOT NULL DEFAULT 0 CHECK (changed >= 0);
ALTER TABLE jobs ADD COLUMN resume_after TEXT;
