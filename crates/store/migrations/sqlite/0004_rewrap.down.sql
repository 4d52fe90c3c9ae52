-- Jobs without progress, and none that wraps records anew: who was interrupted begins again later.
DELETE FROM jobs WHERE kind = 'rewrap_records';
ALTER TABLE jobs DROP COLUMN resume_after;
ALTER TABLE jobs DROP COLUMN changed;
ALTER TABLE jobs DROP COLUMN failed;
ALTER TABLE jobs DROP COLUMN found;
ALTER TABLE jobs DROP COLUMN examined;
ALTER TABLE jobs DROP COLUMN pass;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''destroy_material'', ''shred_tenant'', ''rewrap_records'')', '''destroy_material'', ''shred_tenant'')') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE rewrap_changed (one INTEGER);
DROP TABLE rewrap_changed;
