-- Making a backup is a job.
-- Only the text of a CHECK changes, nothing on disk. SQLite's way for that:
-- https://www.sqlite.org/lang_altertable.html#otheralter.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '(kind IN (''destroy_material''', '(kind IN (''create_backup'', ''destroy_material''') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE backups_changed (one INTEGER);
DROP TABLE backups_changed;
