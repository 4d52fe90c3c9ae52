-- Forgets conditions. Only where none is open and nothing is in quarantine; the program looks before
-- it runs this.
DELETE FROM jobs WHERE kind = 'scrub_storage';
DROP INDEX import_keys_record;
DROP INDEX key_versions_record;
DROP TABLE stray_records;
DROP TABLE conditions;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''rewrap_records'', ''scrub_storage'')', '''rewrap_records'')') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE scrub_changed (one INTEGER);
DROP TABLE scrub_changed;
